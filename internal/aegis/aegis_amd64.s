//go:build gc && !purego

#include "go_asm.h"
#include "textflag.h"

// AEGIS-256X2 is two AEGIS-256 side by side: block j of both states, V[j,0] and V[j,1] of the draft, is one register. An
// update takes 5 cycles, because one waits for the other, in which the processor could do two: so two texts, each with
// registers of its own, cost little more than one.
//
//	first     second    what           others
//	Y0        Y1        V[0]           AX  key
//	Y2        Y3        V[1]           CX  blocks left
//	Y4        Y5        V[2]           DX  scratch
//	Y6        Y7        V[3]           R8  first, R9   second job
//	Y8        Y9        V[4]           SI  first, R10  second source
//	Y10       Y11       V[5]           DI  first, R11  second destination
//	Y12       Y13       absorbed
//	Y14       Y15       scratch

// C0 and C1: the first Fibonacci numbers, modulo 256.
DATA c0<>+0(SB)/8, $0x0d08050302010100
DATA c0<>+8(SB)/8, $0x6279e99059372215
GLOBL c0<>(SB), RODATA|NOPTR, $16

DATA c1<>+0(SB)/8, $0xf12fc26d55183ddb
DATA c1<>+8(SB)/8, $0xdd28b57342311120
GLOBL c1<>(SB), RODATA|NOPTR, $16

// ctx[i]: which state, and the number of the last.
DATA context<>+0(SB)/8, $0x0100
DATA context<>+8(SB)/8, $0
DATA context<>+16(SB)/8, $0x0101
DATA context<>+24(SB)/8, $0
GLOBL context<>(SB), RODATA|NOPTR, $32

// From byte 32-n on, n bytes of ones and then zeros.
DATA keep<>+0(SB)/8, $-1
DATA keep<>+8(SB)/8, $-1
DATA keep<>+16(SB)/8, $-1
DATA keep<>+24(SB)/8, $-1
DATA keep<>+32(SB)/8, $0
DATA keep<>+40(SB)/8, $0
DATA keep<>+48(SB)/8, $0
DATA keep<>+56(SB)/8, $0
GLOBL keep<>(SB), RODATA|NOPTR, $64

// UPDATE absorbs m.
#define UPDATE(m, v0, v1, v2, v3, v4, v5, t) \
	VMOVDQU v5, t; \
	VAESENC v5, v4, v5; \
	VAESENC v4, v3, v4; \
	VAESENC v3, v2, v3; \
	VAESENC v2, v1, v2; \
	VAESENC v1, v0, v1; \
	VPXOR   m, v0, v0; \
	VAESENC v0, t, v0

#define UPDATE1(m) UPDATE(m, Y0, Y2, Y4, Y6, Y8, Y10, Y14)
#define UPDATE2(m) UPDATE(m, Y1, Y3, Y5, Y7, Y9, Y11, Y15)

// START is the state before Init's steps. The nonce's halves stay at low and high.
#define START(j, low, high, v0, v1, v2, v3, v4, v5, x, y) \
	VMOVQ          job_nonce(j), x; \
	VPINSRQ        $1, (job_nonce+8)(j), x, x; \
	VMOVDQU        x, low(SP); \
	VINSERTI128    $1, x, y, v0; \
	VMOVQ          (job_nonce+16)(j), x; \
	VPINSRQ        $1, (job_nonce+24)(j), x, x; \
	VMOVDQU        x, high(SP); \
	VINSERTI128    $1, x, y, v1; \
	VBROADCASTI128 (AX), v4; \
	VBROADCASTI128 16(AX), v5; \
	VPXOR          v4, v0, v0; \
	VPXOR          v5, v1, v1; \
	VBROADCASTI128 c1<>(SB), v2; \
	VBROADCASTI128 c0<>(SB), v3; \
	VPXOR          v3, v4, v4; \
	VPXOR          v2, v5, v5

// A STEP of Init.
#define STEP1(m) \
	VPXOR context<>(SB), Y6, Y6; \
	VPXOR context<>(SB), Y10, Y10; \
	UPDATE1(m)

#define STEP2(m) \
	VPXOR context<>(SB), Y7, Y7; \
	VPXOR context<>(SB), Y11, Y11; \
	UPDATE2(m)

// KEYED is half of the key and half of the nonce.
#define KEYED(key, nonce, m, t) \
	VBROADCASTI128 key, m; \
	VBROADCASTI128 nonce(SP), t; \
	VPXOR          t, m, m

// HEADER is the header as a block.
#define HEADER(j, x) \
	VMOVQ   job_header(j), x; \
	VPINSRQ $1, (job_header+8)(j), x, x

// KEYSTREAM is z of Enc and Dec: V[1] ^ V[4] ^ V[5] ^ (V[2] & V[3]).
#define KEYSTREAM(v1, v2, v3, v4, v5, z) \
	VPAND v2, v3, z; \
	VPXOR v1, z, z; \
	VPXOR v4, z, z; \
	VPXOR v5, z, z

#define KEYSTREAM1 KEYSTREAM(Y2, Y4, Y6, Y8, Y10, Y14)
#define KEYSTREAM2 KEYSTREAM(Y3, Y5, Y7, Y9, Y11, Y15)

#define SEAL1(src, dst) \
	KEYSTREAM1; \
	VMOVDQU src, Y12; \
	VPXOR   Y12, Y14, Y14; \
	VMOVDQU Y14, dst; \
	UPDATE1(Y12)

#define SEAL2(src, dst) \
	KEYSTREAM2; \
	VMOVDQU src, Y13; \
	VPXOR   Y13, Y15, Y15; \
	VMOVDQU Y15, dst; \
	UPDATE2(Y13)

#define OPEN1(src, dst) \
	KEYSTREAM1; \
	VPXOR   src, Y14, Y12; \
	VMOVDQU Y12, dst; \
	UPDATE1(Y12)

#define OPEN2(src, dst) \
	KEYSTREAM2; \
	VPXOR   src, Y15, Y13; \
	VMOVDQU Y13, dst; \
	UPDATE2(Y13)

// OPENREST opens what is in tail, of which CX points to what is to be kept.
#define OPENREST1 \
	KEYSTREAM1; \
	VPXOR   job_tail(R8), Y14, Y12; \
	VPAND   (CX), Y12, Y12; \
	VMOVDQU Y12, job_tail(R8); \
	UPDATE1(Y12)

#define OPENREST2 \
	KEYSTREAM2; \
	VPXOR   job_tail(R9), Y15, Y13; \
	VPAND   (CX), Y13, Y13; \
	VMOVDQU Y13, job_tail(R9); \
	UPDATE2(Y13)

// LENGTHS is what Finalize absorbs.
#define LENGTHS(j, v3, x, y) \
	VMOVQ       job_headerBits(j), x; \
	VPINSRQ     $1, job_textBits(j), x, x; \
	VINSERTI128 $1, x, y, y; \
	VPXOR       v3, y, y

// TAG is the tag of 128 bits, of which x0 is the lower half of v0.
#define TAG(j, v0, v1, v2, v3, v4, v5, x0, x) \
	VPXOR        v1, v0, v0; \
	VPXOR        v2, v0, v0; \
	VPXOR        v3, v0, v0; \
	VPXOR        v4, v0, v0; \
	VPXOR        v5, v0, v0; \
	VEXTRACTI128 $1, v0, x; \
	VPXOR        x, x0, x0; \
	VMOVDQU      x0, job_tag(j)

// BEGIN is Init, and Absorb of the header. It goes to rest when there is no whole block.
#define BEGIN \
	MOVQ           key+0(FP), AX; \
	MOVQ           j+8(FP), R8; \
	START(R8, nonce-32, nonce-16, Y0, Y2, Y4, Y6, Y8, Y10, X12, Y12); \
	MOVQ           $4, DX; \
init: \
	VBROADCASTI128 (AX), Y12; \
	STEP1(Y12); \
	VBROADCASTI128 16(AX), Y12; \
	STEP1(Y12); \
	KEYED((AX), nonce-32, Y12, Y14); \
	STEP1(Y12); \
	KEYED(16(AX), nonce-16, Y12, Y14); \
	STEP1(Y12); \
	DECQ           DX; \
	JNZ            init; \
	CMPQ           job_headerBits(R8), $0; \
	JEQ            text; \
	HEADER(R8, X12); \
	UPDATE1(Y12); \
text: \
	MOVQ           job_dst(R8), DI; \
	MOVQ           job_src(R8), SI; \
	MOVQ           job_blocks(R8), CX; \
	TESTQ          CX, CX; \
	JZ             rest

// FINISH is Finalize, and RET.
#define FINISH \
finish: \
	LENGTHS(R8, Y6, X12, Y12); \
	MOVQ $7, DX; \
final: \
	UPDATE1(Y12); \
	DECQ DX; \
	JNZ  final; \
	TAG(R8, Y0, Y2, Y4, Y6, Y8, Y10, X0, X14); \
	VZEROUPPER; \
	RET

// BEGINPAIR is BEGIN for two texts.
#define BEGINPAIR \
	MOVQ           key+0(FP), AX; \
	MOVQ           j+8(FP), R8; \
	MOVQ           k+16(FP), R9; \
	START(R8, nonce-64, nonce-48, Y0, Y2, Y4, Y6, Y8, Y10, X12, Y12); \
	START(R9, nonce-32, nonce-16, Y1, Y3, Y5, Y7, Y9, Y11, X13, Y13); \
	MOVQ           $4, DX; \
init: \
	VBROADCASTI128 (AX), Y12; \
	STEP1(Y12); \
	STEP2(Y12); \
	VBROADCASTI128 16(AX), Y13; \
	STEP1(Y13); \
	STEP2(Y13); \
	KEYED((AX), nonce-64, Y12, Y14); \
	KEYED((AX), nonce-32, Y13, Y15); \
	STEP1(Y12); \
	STEP2(Y13); \
	KEYED(16(AX), nonce-48, Y12, Y14); \
	KEYED(16(AX), nonce-16, Y13, Y15); \
	STEP1(Y12); \
	STEP2(Y13); \
	DECQ           DX; \
	JNZ            init; \
	CMPQ           job_headerBits(R8), $0; \
	JEQ            second; \
	HEADER(R8, X12); \
	UPDATE1(Y12); \
second: \
	CMPQ           job_headerBits(R9), $0; \
	JEQ            text; \
	HEADER(R9, X13); \
	UPDATE2(Y13); \
text: \
	MOVQ           job_dst(R8), DI; \
	MOVQ           job_src(R8), SI; \
	MOVQ           job_dst(R9), R11; \
	MOVQ           job_src(R9), R10; \
	MOVQ           job_blocks(R8), CX; \
	TESTQ          CX, CX; \
	JZ             rest

// NEXT goes to block as long as there are more. Then CX points to what is to be kept of the rest; without one it goes to
// finish.
#define NEXT \
	ADDQ  $32, SI; \
	ADDQ  $32, DI; \
	DECQ  CX; \
	JNZ   block; \
rest: \
	MOVQ  job_rest(R8), DX; \
	TESTQ DX, DX; \
	JZ    finish; \
	LEAQ  keep<>+32(SB), CX; \
	SUBQ  DX, CX

#define NEXTPAIR \
	ADDQ $32, R10; \
	ADDQ $32, R11; \
	NEXT

// FINISHPAIR is FINISH for two texts.
#define FINISHPAIR \
finish: \
	LENGTHS(R8, Y6, X12, Y12); \
	LENGTHS(R9, Y7, X13, Y13); \
	MOVQ $7, DX; \
final: \
	UPDATE1(Y12); \
	UPDATE2(Y13); \
	DECQ DX; \
	JNZ  final; \
	TAG(R8, Y0, Y2, Y4, Y6, Y8, Y10, X0, X14); \
	TAG(R9, Y1, Y3, Y5, Y7, Y9, Y11, X1, X15); \
	VZEROUPPER; \
	RET

// func seal(key *[32]byte, j *job)
TEXT ·seal(SB), NOSPLIT, $32-16
	BEGIN

block:
	SEAL1((SI), (DI))
	NEXT
	SEAL1(job_tail(R8), job_tail(R8))
	FINISH

// func open(key *[32]byte, j *job)
TEXT ·open(SB), NOSPLIT, $32-16
	BEGIN

block:
	OPEN1((SI), (DI))
	NEXT
	OPENREST1
	FINISH

// func sealPair(key *[32]byte, j, k *job)
TEXT ·sealPair(SB), NOSPLIT, $64-24
	BEGINPAIR

block:
	SEAL1((SI), (DI))
	SEAL2((R10), (R11))
	NEXTPAIR
	SEAL1(job_tail(R8), job_tail(R8))
	SEAL2(job_tail(R9), job_tail(R9))
	FINISHPAIR

// func openPair(key *[32]byte, j, k *job)
TEXT ·openPair(SB), NOSPLIT, $64-24
	BEGINPAIR

block:
	OPEN1((SI), (DI))
	OPEN2((R10), (R11))
	NEXTPAIR
	OPENREST1
	OPENREST2
	FINISHPAIR

// func extendedFeatures() uint32
TEXT ·extendedFeatures(SB), NOSPLIT, $0-4
	MOVL $7, AX
	XORL CX, CX
	CPUID
	MOVL CX, ret+0(FP)
	RET
