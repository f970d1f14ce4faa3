//go:build gc && !purego

#include "textflag.h"

// Registers, in all of this file:
//
//	AX  the schedule             Y0-Y7    sixteen blocks
//	SI  source                   Y8       round key
//	DI  destination              Y9-Y11   product: low, middle, high
//	CX  bytes left               Y12      two blocks for GHASH
//	BX  what GHASH is to take    Y13      counters of two blocks, scratch
//	                             Y14      GHASH so far, scratch
//	                             Y15      byte reversal
//
// Counters and GHASH's blocks are kept byte-reversed: a counter is then the lowest 32 bits of its lane, and
// bits lie as carry-less multiplication wants them. Only that GHASH's bits are reflected (SP 800-38D, 6.3), so
// that a product comes out one bit too low; the schedule holds powers of H times x to make up for it.

// The schedule: 15 round keys, H^17 to H^1, and of each of those the upper half plus the lower.
#define POWERS 240
#define HALVES 512

#define POWER(i)  (POWERS+16*(17-(i)))(AX)
#define HALVED(i) (HALVES+16*(17-(i)))(AX)

DATA reverse<>+0(SB)/8, $0x08090a0b0c0d0e0f
DATA reverse<>+8(SB)/8, $0x0001020304050607
GLOBL reverse<>(SB), RODATA|NOPTR, $16

// x^128 + x^127 + x^126 + x^121 + 1, twice
DATA polynomial<>+0(SB)/8, $1
DATA polynomial<>+8(SB)/8, $0xc200000000000000
DATA polynomial<>+16(SB)/8, $1
DATA polynomial<>+24(SB)/8, $0xc200000000000000
GLOBL polynomial<>(SB), RODATA|NOPTR, $32

DATA one<>+0(SB)/8, $1
DATA one<>+8(SB)/8, $0
GLOBL one<>(SB), RODATA|NOPTR, $16

DATA two<>+0(SB)/8, $2
DATA two<>+8(SB)/8, $0
DATA two<>+16(SB)/8, $2
DATA two<>+24(SB)/8, $0
GLOBL two<>(SB), RODATA|NOPTR, $32

// From byte 16-n on, n bytes of ones and then zeros.
DATA keep<>+0(SB)/8, $-1
DATA keep<>+8(SB)/8, $-1
DATA keep<>+16(SB)/8, $0
DATA keep<>+24(SB)/8, $0
GLOBL keep<>(SB), RODATA|NOPTR, $32

#define COUNT(blocks) \
	VPSHUFB Y15, Y13, blocks; \
	VPADDD  two<>(SB), Y13, Y13; \
	VPXOR   Y8, blocks, blocks

// COUNTERS begins the next sixteen blocks of the key stream.
#define COUNTERS \
	VMOVDQU        counters-32(SP), Y13; \
	VBROADCASTI128 (AX), Y8; \
	COUNT(Y0); \
	COUNT(Y1); \
	COUNT(Y2); \
	COUNT(Y3); \
	COUNT(Y4); \
	COUNT(Y5); \
	COUNT(Y6); \
	COUNT(Y7); \
	VMOVDQU        Y13, counters-32(SP)

// A round, in two halves.
#define ROUNDA(n) \
	VBROADCASTI128 (16*(n))(AX), Y8; \
	VAESENC        Y8, Y0, Y0; \
	VAESENC        Y8, Y1, Y1; \
	VAESENC        Y8, Y2, Y2; \
	VAESENC        Y8, Y3, Y3

#define ROUNDB \
	VAESENC Y8, Y4, Y4; \
	VAESENC Y8, Y5, Y5; \
	VAESENC Y8, Y6, Y6; \
	VAESENC Y8, Y7, Y7

#define ROUND(n) \
	ROUNDA(n); \
	ROUNDB

#define LASTROUND \
	VBROADCASTI128 (16*14)(AX), Y8; \
	VAESENCLAST    Y8, Y0, Y0; \
	VAESENCLAST    Y8, Y1, Y1; \
	VAESENCLAST    Y8, Y2, Y2; \
	VAESENCLAST    Y8, Y3, Y3; \
	VAESENCLAST    Y8, Y4, Y4; \
	VAESENCLAST    Y8, Y5, Y5; \
	VAESENCLAST    Y8, Y6, Y6; \
	VAESENCLAST    Y8, Y7, Y7

// KEYSTREAM makes the next sixteen blocks of the key stream.
#define KEYSTREAM \
	COUNTERS; \
	ROUND(1); \
	ROUND(2); \
	ROUND(3); \
	ROUND(4); \
	ROUND(5); \
	ROUND(6); \
	ROUND(7); \
	ROUND(8); \
	ROUND(9); \
	ROUND(10); \
	ROUND(11); \
	ROUND(12); \
	ROUND(13); \
	LASTROUND

// ENCRYPT encrypts one block, by itself.
#define ENCRYPT(x) \
	VPXOR       (AX), x, x; \
	VAESENC     (16*1)(AX), x, x; \
	VAESENC     (16*2)(AX), x, x; \
	VAESENC     (16*3)(AX), x, x; \
	VAESENC     (16*4)(AX), x, x; \
	VAESENC     (16*5)(AX), x, x; \
	VAESENC     (16*6)(AX), x, x; \
	VAESENC     (16*7)(AX), x, x; \
	VAESENC     (16*8)(AX), x, x; \
	VAESENC     (16*9)(AX), x, x; \
	VAESENC     (16*10)(AX), x, x; \
	VAESENC     (16*11)(AX), x, x; \
	VAESENC     (16*12)(AX), x, x; \
	VAESENC     (16*13)(AX), x, x; \
	VAESENCLAST (16*14)(AX), x, x

#define CLEARPRODUCT \
	VPXOR Y9, Y9, Y9; \
	VPXOR Y10, Y10, Y10; \
	VPXOR Y11, Y11, Y11

#define LOAD(blocks) \
	VMOVDQU blocks, Y12; \
	VPSHUFB Y15, Y12, Y12

// MULTIPLY adds the product of Y12 and two powers of H (Karatsuba: three multiplications, not four).
#define MULTIPLY(power, halved) \
	LOW(power); \
	HIGH; \
	MIDDLE(halved)

#define LOW(power) \
	VMOVDQU    power, Y13; \
	VPCLMULQDQ $0x00, Y13, Y12, Y14; \
	VPXOR      Y14, Y9, Y9

#define HIGH \
	VPCLMULQDQ $0x11, Y13, Y12, Y13; \
	VPXOR      Y13, Y11, Y11

#define MIDDLE(halved) \
	VPSHUFD    $0x4e, Y12, Y14; \
	VPXOR      Y12, Y14, Y14; \
	VPCLMULQDQ $0x00, halved, Y14, Y14; \
	VPXOR      Y14, Y10, Y10

// REDUCE brings the product of 256 bits back to 128 (Gueron and Kounavis, algorithm 5) and adds up the two
// that lie side by side.
#define REDUCE \
	VPXOR        Y9, Y10, Y10; \
	VPXOR        Y11, Y10, Y10; \
	VPSLLDQ      $8, Y10, Y13; \
	VPXOR        Y13, Y9, Y9; \
	VPSRLDQ      $8, Y10, Y10; \
	VPXOR        Y10, Y11, Y11; \
	VMOVDQU      polynomial<>(SB), Y14; \
	VPCLMULQDQ   $0x10, Y14, Y9, Y13; \
	VPSHUFD      $0x4e, Y9, Y9; \
	VPXOR        Y13, Y9, Y9; \
	VPCLMULQDQ   $0x10, Y14, Y9, Y13; \
	VPSHUFD      $0x4e, Y9, Y9; \
	VPXOR        Y13, Y9, Y9; \
	VPXOR        Y11, Y9, Y9; \
	VEXTRACTI128 $1, Y9, X14; \
	VPXOR        X9, X14, X14

// LOADFIRST is LOAD of the first blocks since REDUCE.
#define LOADFIRST(blocks) \
	LOAD(blocks); \
	VPXOR Y14, Y12, Y12

// GHASH takes the sixteen blocks at BX in.
#define GHASH \
	CLEARPRODUCT; \
	LOADFIRST((BX)); \
	MULTIPLY(POWER(16), HALVED(16)); \
	LOAD(32(BX)); \
	MULTIPLY(POWER(14), HALVED(14)); \
	LOAD(64(BX)); \
	MULTIPLY(POWER(12), HALVED(12)); \
	LOAD(96(BX)); \
	MULTIPLY(POWER(10), HALVED(10)); \
	LOAD(128(BX)); \
	MULTIPLY(POWER(8), HALVED(8)); \
	LOAD(160(BX)); \
	MULTIPLY(POWER(6), HALVED(6)); \
	LOAD(192(BX)); \
	MULTIPLY(POWER(4), HALVED(4)); \
	LOAD(224(BX)); \
	MULTIPLY(POWER(2), HALVED(2)); \
	REDUCE

// MIX is rounds n, n+1 and n+2, and GHASH of the four blocks at place, of which the first is multiplied by H^i.
#define MIX(n, load, place, i) \
	load(place(BX)); \
	ROUNDA(n); \
	LOW(POWER(i)); \
	ROUNDB; \
	HIGH; \
	ROUNDA((n+1)); \
	MIDDLE(HALVED(i)); \
	ROUNDB; \
	LOAD((place+32)(BX)); \
	LOW(POWER((i-2))); \
	ROUNDA((n+2)); \
	HIGH; \
	ROUNDB; \
	MIDDLE(HALVED((i-2)))

// KEYSTREAMGHASH is KEYSTREAM and GHASH. The processor does not look far enough ahead to mix them itself.
#define KEYSTREAMGHASH \
	COUNTERS; \
	CLEARPRODUCT; \
	MIX(1, LOADFIRST, 0, 16); \
	MIX(4, LOAD, 64, 12); \
	MIX(7, LOAD, 128, 8); \
	MIX(10, LOAD, 192, 4); \
	ROUND(13); \
	LASTROUND; \
	REDUCE

// XOR writes sixteen blocks.
#define XOR \
	VPXOR   (SI), Y0, Y0; \
	VPXOR   32(SI), Y1, Y1; \
	VPXOR   64(SI), Y2, Y2; \
	VPXOR   96(SI), Y3, Y3; \
	VPXOR   128(SI), Y4, Y4; \
	VPXOR   160(SI), Y5, Y5; \
	VPXOR   192(SI), Y6, Y6; \
	VPXOR   224(SI), Y7, Y7; \
	VMOVDQU Y0, (DI); \
	VMOVDQU Y1, 32(DI); \
	VMOVDQU Y2, 64(DI); \
	VMOVDQU Y3, 96(DI); \
	VMOVDQU Y4, 128(DI); \
	VMOVDQU Y5, 160(DI); \
	VMOVDQU Y6, 192(DI); \
	VMOVDQU Y7, 224(DI)

// BEGIN makes E(K, J0), the counters, and GHASH of the header.
#define BEGIN(nonce, header) \
	VBROADCASTI128 reverse<>(SB), Y15; \
	VMOVQ          (nonce), X0; \
	VPINSRD        $2, 8(nonce), X0, X0; \
	VMOVDQU        one<>(SB), X2; \
	VPSHUFB        X15, X0, X1; \
	VPADDD         X2, X1, X1; \
	VPSHUFB        X15, X1, X0; \
	VPADDD         X2, X1, X1; \
	VMOVDQU        X1, counters-32(SP); \
	VPADDD         X2, X1, X1; \
	VMOVDQU        X1, counters-16(SP); \
	ENCRYPT(X0); \
	VMOVDQU        X0, mask-48(SP); \
	CLEARPRODUCT; \
	VMOVDQU        (header), X12; \
	VPSHUFB        X15, X12, X12; \
	MULTIPLY(POWER(1), HALVED(1)); \
	REDUCE

// TAIL prepares for what is left, fewer than 256 bytes: their key stream is at R8, and BX is where a
// schedule would begin in which the power for the next block is the first.
#define TAIL \
	LEAQ    15(CX), R8; \
	ANDQ    $-16, R8; \
	LEAQ    256(AX), BX; \
	SUBQ    R8, BX; \
	CLEARPRODUCT; \
	VMOVDQA X14, X12; \
	MULTIPLY(POWERS(BX), HALVES(BX)); \
	TESTQ   CX, CX; \
	JZ      finish; \
	KEYSTREAM; \
	LEAQ    stream-304(SP), R8; \
	VMOVDQU Y0, (R8); \
	VMOVDQU Y1, 32(R8); \
	VMOVDQU Y2, 64(R8); \
	VMOVDQU Y3, 96(R8); \
	VMOVDQU Y4, 128(R8); \
	VMOVDQU Y5, 160(R8); \
	VMOVDQU Y6, 192(R8); \
	VMOVDQU Y7, 224(R8)

// TAKE takes what is in sealed in, as a part of the tail.
#define TAKE(sealed) \
	VPSHUFB Y15, sealed, Y12; \
	MULTIPLY(POWERS(BX), HALVES(BX))

#define NEXT(n) \
	ADDQ $n, BX; \
	ADDQ $n, R8; \
	ADDQ $n, SI; \
	ADDQ $n, DI

// FINISH takes the lengths in, of which R9 is that of the text, and writes the tag.
#define FINISH(tag) \
	SHLQ    $3, R9; \
	MOVQ    $128, R10; \
	VMOVQ   R9, X12; \
	VPINSRQ $1, R10, X12, X12; \
	MULTIPLY(POWER(1), HALVED(1)); \
	REDUCE; \
	VPSHUFB X15, X14, X14; \
	VPXOR   mask-48(SP), X14, X14; \
	VMOVDQU X14, (tag); \
	VZEROUPPER

// REST does what is left behind the blocks of the loop, and RET. The arguments name what is sealed text: the source (Y12,
// R11) or the result (Y0, R12).
#define REST(sealed, sealedByte) \
	ADDQ    $256, CX; \
	TAIL; \
	SUBQ    $32, CX; \
	JCS     one; \
two: \
	VMOVDQU (SI), Y12; \
	VPXOR   (R8), Y12, Y0; \
	VMOVDQU Y0, (DI); \
	TAKE(sealed); \
	NEXT(32); \
	SUBQ    $32, CX; \
	JCC     two; \
one: \
	ADDQ    $16, CX; \
	JCC     part; \
	VMOVDQU (SI), X12; \
	VPXOR   (R8), X12, X0; \
	VMOVDQU X0, (DI); \
	TAKE(sealed); \
	NEXT(16); \
	SUBQ    $16, CX; \
part: \
	ADDQ    $16, CX; \
	JZ      finish; \
	XORQ    R10, R10; \
byte: \
	MOVB    (SI)(R10*1), R11; \
	MOVB    (R8)(R10*1), R12; \
	XORB    R11, R12; \
	MOVB    R12, (DI)(R10*1); \
	MOVB    sealedByte, (R8)(R10*1); \
	INCQ    R10; \
	CMPQ    R10, CX; \
	JNE     byte; \
	LEAQ    keep<>+16(SB), R11; \
	SUBQ    CX, R11; \
	VMOVDQU (R11), X0; \
	VPAND   (R8), X0, X0; \
	TAKE(Y0); \
finish: \
	MOVQ    tag+48(FP), R11; \
	FINISH(R11); \
	RET

// ARGUMENTS begins, with those of both functions, and goes to rest when there is less than a turn of the loop.
#define ARGUMENTS \
	MOVQ s+0(FP), AX; \
	MOVQ dst+8(FP), DI; \
	MOVQ src+16(FP), SI; \
	MOVQ n+24(FP), CX; \
	MOVQ nonce+32(FP), R8; \
	MOVQ header+40(FP), R9; \
	BEGIN(R8, R9); \
	MOVQ CX, R9; \
	SUBQ $256, CX; \
	JCS  rest

// func sealWide(s *schedule, dst, src *byte, n int, nonce, header, tag *byte)
TEXT ·sealWide(SB), NOSPLIT, $304-56
	ARGUMENTS
	KEYSTREAM
	JMP first

sixteen:
	KEYSTREAMGHASH

first:
	XOR
	MOVQ DI, BX
	ADDQ $256, SI
	ADDQ $256, DI
	SUBQ $256, CX
	JCC  sixteen
	GHASH

rest:
	REST(Y0, R12)

// func openWide(s *schedule, dst, src *byte, n int, nonce, header, tag *byte)
TEXT ·openWide(SB), NOSPLIT, $304-56
	ARGUMENTS

sixteen:
	MOVQ SI, BX
	KEYSTREAMGHASH
	XOR
	ADDQ $256, SI
	ADDQ $256, DI
	SUBQ $256, CX
	JCC  sixteen

rest:
	REST(Y12, R11)

#define EXPAND1(x) \
	VPSLLDQ $4, x, X3; \
	VPXOR   X3, x, x; \
	VPSLLDQ $4, X3, X3; \
	VPXOR   X3, x, x; \
	VPSLLDQ $4, X3, X3; \
	VPXOR   X3, x, x; \
	VPXOR   X1, x, x

// EXPAND makes round keys n and n+1 (FIPS 197, 5.2).
#define EXPAND(n, rcon) \
	VAESKEYGENASSIST $rcon, X2, X1; \
	VPSHUFD          $0xff, X1, X1; \
	EXPAND1(X0); \
	VMOVDQU          X0, (16*n)(AX); \
	VAESKEYGENASSIST $0, X0, X1; \
	VPSHUFD          $0xaa, X1, X1; \
	EXPAND1(X2); \
	VMOVDQU          X2, (16*n+16)(AX)

// func expandWide(s *schedule, key *byte)
TEXT ·expandWide(SB), NOSPLIT, $0-16
	MOVQ s+0(FP), AX
	MOVQ key+8(FP), SI
	VBROADCASTI128 reverse<>(SB), Y15

	VMOVDQU          (SI), X0
	VMOVDQU          16(SI), X2
	VMOVDQU          X0, (AX)
	VMOVDQU          X2, 16(AX)
	EXPAND(2, 0x01)
	EXPAND(4, 0x02)
	EXPAND(6, 0x04)
	EXPAND(8, 0x08)
	EXPAND(10, 0x10)
	EXPAND(12, 0x20)
	VAESKEYGENASSIST $0x40, X2, X1
	VPSHUFD          $0xff, X1, X1
	EXPAND1(X0)
	VMOVDQU          X0, (16*14)(AX)

	// H times x: one bit to the left, and the polynomial for the bit that falls out.
	VPXOR   X0, X0, X0
	ENCRYPT(X0)
	VPSHUFB X15, X0, X0
	VPSHUFD $0xff, X0, X1
	VPSRAD  $31, X1, X1
	VPAND   polynomial<>(SB), X1, X1
	VPSRLD  $31, X0, X2
	VPSLLDQ $4, X2, X2
	VPSLLD  $1, X0, X0
	VPXOR   X1, X0, X0
	VPXOR   X2, X0, X0

	LEAQ POWER(1), DI
	MOVQ $17, CX
	JMP  store

next:
	CLEARPRODUCT
	VMOVDQA X0, X12
	MULTIPLY(POWER(1), HALVED(1))
	REDUCE
	VMOVDQA X14, X0

store:
	VMOVDQU X0, (DI)
	VPSHUFD $0x4e, X0, X1
	VPXOR   X0, X1, X1
	VMOVDQU X1, (HALVES-POWERS)(DI)
	SUBQ    $16, DI
	DECQ    CX
	JNE     next
	VZEROUPPER
	RET

// func extendedFeatures() uint32
TEXT ·extendedFeatures(SB), NOSPLIT, $0-4
	MOVL $7, AX
	XORL CX, CX
	CPUID
	MOVL CX, ret+0(FP)
	RET
