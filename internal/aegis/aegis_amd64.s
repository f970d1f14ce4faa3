//go:build gc && !purego

#include "go_asm.h"
#include "textflag.h"

// AEGIS-256X4 is four AEGIS-256 side by side. Block j of the state, V[j,0] to V[j,3] of the draft, is in two registers:
//
//	Y0, Y1    V[0]        Y12, Y13  what is absorbed
//	Y2, Y3    V[1]        Y14, Y15  scratch
//	Y4, Y5    V[2]
//	Y6, Y7    V[3]        AX  key           SI  source
//	Y8, Y9    V[4]        BX  job           DI  destination
//	Y10, Y11  V[5]        CX  blocks left   DX  scratch

// C0 and C1: the first Fibonacci numbers, modulo 256.
DATA c0<>+0(SB)/8, $0x0d08050302010100
DATA c0<>+8(SB)/8, $0x6279e99059372215
GLOBL c0<>(SB), RODATA|NOPTR, $16

DATA c1<>+0(SB)/8, $0xf12fc26d55183ddb
DATA c1<>+8(SB)/8, $0xdd28b57342311120
GLOBL c1<>(SB), RODATA|NOPTR, $16

// ctx[i]: which state, and the number of the last.
DATA context<>+0(SB)/8, $0x0300
DATA context<>+8(SB)/8, $0
DATA context<>+16(SB)/8, $0x0301
DATA context<>+24(SB)/8, $0
DATA context<>+32(SB)/8, $0x0302
DATA context<>+40(SB)/8, $0
DATA context<>+48(SB)/8, $0x0303
DATA context<>+56(SB)/8, $0
GLOBL context<>(SB), RODATA|NOPTR, $64

// From byte 64-n on, n bytes of ones and then zeros.
DATA keep<>+0(SB)/8, $-1
DATA keep<>+8(SB)/8, $-1
DATA keep<>+16(SB)/8, $-1
DATA keep<>+24(SB)/8, $-1
DATA keep<>+32(SB)/8, $-1
DATA keep<>+40(SB)/8, $-1
DATA keep<>+48(SB)/8, $-1
DATA keep<>+56(SB)/8, $-1
DATA keep<>+64(SB)/8, $0
DATA keep<>+72(SB)/8, $0
DATA keep<>+80(SB)/8, $0
DATA keep<>+88(SB)/8, $0
DATA keep<>+96(SB)/8, $0
DATA keep<>+104(SB)/8, $0
DATA keep<>+112(SB)/8, $0
DATA keep<>+120(SB)/8, $0
GLOBL keep<>(SB), RODATA|NOPTR, $128

// UPDATE absorbs a for the states 0 and 1, and b for 2 and 3.
#define UPDATE(a, b) \
	VMOVDQU Y10, Y14; \
	VMOVDQU Y11, Y15; \
	VAESENC Y10, Y8, Y10; \
	VAESENC Y11, Y9, Y11; \
	VAESENC Y8, Y6, Y8; \
	VAESENC Y9, Y7, Y9; \
	VAESENC Y6, Y4, Y6; \
	VAESENC Y7, Y5, Y7; \
	VAESENC Y4, Y2, Y4; \
	VAESENC Y5, Y3, Y5; \
	VAESENC Y2, Y0, Y2; \
	VAESENC Y3, Y1, Y3; \
	VPXOR   a, Y0, Y0; \
	VPXOR   b, Y1, Y1; \
	VAESENC Y0, Y14, Y0; \
	VAESENC Y1, Y15, Y1

// CONTEXT and UPDATE with the same for all states are a step of Init.
#define STEP(x) \
	VPXOR context<>+0(SB), Y6, Y6; \
	VPXOR context<>+32(SB), Y7, Y7; \
	VPXOR context<>+0(SB), Y10, Y10; \
	VPXOR context<>+32(SB), Y11, Y11; \
	UPDATE(x, x)

// KEYSTREAM is z of Enc and Dec, in Y14 and Y15: V[1] ^ V[4] ^ V[5] ^ (V[2] & V[3]).
#define KEYSTREAM \
	VPAND Y4, Y6, Y14; \
	VPAND Y5, Y7, Y15; \
	VPXOR Y2, Y14, Y14; \
	VPXOR Y3, Y15, Y15; \
	VPXOR Y8, Y14, Y14; \
	VPXOR Y9, Y15, Y15; \
	VPXOR Y10, Y14, Y14; \
	VPXOR Y11, Y15, Y15

// BEGIN is Init, and Absorb of the header. It goes to rest when there is no whole block.
#define BEGIN \
	MOVQ           key+0(FP), AX; \
	MOVQ           j+8(FP), BX; \
	VMOVQ          job_nonce(BX), X12; \
	VPINSRQ        $1, (job_nonce+8)(BX), X12, X12; \
	VMOVQ          (job_nonce+16)(BX), X13; \
	VPINSRQ        $1, (job_nonce+24)(BX), X13, X13; \
	VMOVDQU        X12, nonce-32(SP); \
	VMOVDQU        X13, nonce-16(SP); \
	VINSERTI128    $1, X12, Y12, Y0; \
	VINSERTI128    $1, X13, Y13, Y2; \
	VBROADCASTI128 (AX), Y8; \
	VBROADCASTI128 16(AX), Y10; \
	VPXOR          Y8, Y0, Y0; \
	VPXOR          Y10, Y2, Y2; \
	VBROADCASTI128 c1<>(SB), Y4; \
	VBROADCASTI128 c0<>(SB), Y6; \
	VPXOR          Y6, Y8, Y8; \
	VPXOR          Y4, Y10, Y10; \
	VMOVDQU        Y0, Y1; \
	VMOVDQU        Y2, Y3; \
	VMOVDQU        Y4, Y5; \
	VMOVDQU        Y6, Y7; \
	VMOVDQU        Y8, Y9; \
	VMOVDQU        Y10, Y11; \
	MOVQ           $4, DX; \
init: \
	VBROADCASTI128 (AX), Y12; \
	STEP(Y12); \
	VBROADCASTI128 16(AX), Y13; \
	STEP(Y13); \
	VBROADCASTI128 nonce-32(SP), Y14; \
	VPXOR          Y14, Y12, Y12; \
	STEP(Y12); \
	VBROADCASTI128 nonce-16(SP), Y14; \
	VPXOR          Y14, Y13, Y13; \
	STEP(Y13); \
	DECQ           DX; \
	JNZ            init; \
	CMPQ           job_headerBits(BX), $0; \
	JEQ            text; \
	VMOVQ          job_header(BX), X12; \
	VPINSRQ        $1, (job_header+8)(BX), X12, X12; \
	VPXOR          Y13, Y13, Y13; \
	UPDATE(Y12, Y13); \
text: \
	MOVQ           job_dst(BX), DI; \
	MOVQ           job_src(BX), SI; \
	MOVQ           job_blocks(BX), CX; \
	TESTQ          CX, CX; \
	JZ             rest

// TAIL loads the rest into Y12 and Y13, and points CX to what is to be kept of it; without a rest it goes to finish.
#define TAIL \
	MOVQ    job_rest(BX), DX; \
	TESTQ   DX, DX; \
	JZ      finish; \
	LEAQ    keep<>+64(SB), CX; \
	SUBQ    DX, CX; \
	VMOVDQU job_tail(BX), Y12; \
	VMOVDQU (job_tail+32)(BX), Y13

// FINISH is Finalize for a tag of 128 bits, and RET.
#define FINISH \
	VMOVQ        job_headerBits(BX), X12; \
	VPINSRQ      $1, job_textBits(BX), X12, X12; \
	VINSERTI128  $1, X12, Y12, Y12; \
	VPXOR        Y7, Y12, Y13; \
	VPXOR        Y6, Y12, Y12; \
	MOVQ         $7, DX; \
final: \
	UPDATE(Y12, Y13); \
	DECQ         DX; \
	JNZ          final; \
	VPXOR        Y2, Y0, Y0; \
	VPXOR        Y3, Y1, Y1; \
	VPXOR        Y4, Y0, Y0; \
	VPXOR        Y5, Y1, Y1; \
	VPXOR        Y6, Y0, Y0; \
	VPXOR        Y7, Y1, Y1; \
	VPXOR        Y8, Y0, Y0; \
	VPXOR        Y9, Y1, Y1; \
	VPXOR        Y10, Y0, Y0; \
	VPXOR        Y11, Y1, Y1; \
	VPXOR        Y1, Y0, Y0; \
	VEXTRACTI128 $1, Y0, X1; \
	VPXOR        X1, X0, X0; \
	MOVQ         job_tag(BX), DX; \
	VMOVDQU      X0, (DX); \
	VZEROUPPER; \
	RET

// func seal(key *[32]byte, j *job)
TEXT ·seal(SB), NOSPLIT, $32-16
	BEGIN

block:
	KEYSTREAM
	VMOVDQU (SI), Y12
	VMOVDQU 32(SI), Y13
	VPXOR   Y12, Y14, Y14
	VPXOR   Y13, Y15, Y15
	VMOVDQU Y14, (DI)
	VMOVDQU Y15, 32(DI)
	UPDATE(Y12, Y13)
	ADDQ    $64, SI
	ADDQ    $64, DI
	DECQ    CX
	JNZ     block

rest:
	TAIL
	KEYSTREAM
	VPXOR   Y12, Y14, Y14
	VPXOR   Y13, Y15, Y15
	VMOVDQU Y14, job_tail(BX)
	VMOVDQU Y15, (job_tail+32)(BX)
	UPDATE(Y12, Y13)

finish:
	FINISH

// func open(key *[32]byte, j *job)
TEXT ·open(SB), NOSPLIT, $32-16
	BEGIN

block:
	KEYSTREAM
	VPXOR   (SI), Y14, Y12
	VPXOR   32(SI), Y15, Y13
	VMOVDQU Y12, (DI)
	VMOVDQU Y13, 32(DI)
	UPDATE(Y12, Y13)
	ADDQ    $64, SI
	ADDQ    $64, DI
	DECQ    CX
	JNZ     block

rest:
	TAIL
	KEYSTREAM
	VPXOR   Y12, Y14, Y12
	VPXOR   Y13, Y15, Y13
	VPAND   (CX), Y12, Y12
	VPAND   32(CX), Y13, Y13
	VMOVDQU Y12, job_tail(BX)
	VMOVDQU Y13, (job_tail+32)(BX)
	UPDATE(Y12, Y13)

finish:
	FINISH

// func extendedFeatures() uint32
TEXT ·extendedFeatures(SB), NOSPLIT, $0-4
	MOVL $7, AX
	XORL CX, CX
	CPUID
	MOVL CX, ret+0(FP)
	RET
