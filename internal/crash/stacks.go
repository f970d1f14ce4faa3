package crash

import (
	"fmt"
	"reflect"
	"regexp"
	"runtime"
)

// maxStacks bounds the text of all stacks.
const maxStacks = 16 << 20

// Stacks gives the stacks of all goroutines, as the runtime prints them but without arguments.
func Stacks() []byte {
	for size := 64 << 10; ; size *= 2 {
		b := make([]byte, size)
		if n := runtime.Stack(b, true); n < size || size >= maxStacks {
			return withoutArguments(b[:n])
		}
	}
}

// arguments are those of a function in a stack, before the line with its place: numbers, which may be a
// piece of a key.
var arguments = regexp.MustCompile(`(?m)^([^\t\n].*)\([^()\n]+\)\n\t`)

// registers are those of the processor, which the runtime prints after a fatal signal: as much a piece.
var registers = regexp.MustCompile(`(?m)^[a-z][a-z0-9]* +0x[0-9a-f]+\n`)

// withoutArguments leaves the arguments of functions, and registers, out of stacks.
func withoutArguments(stacks []byte) []byte {
	return registers.ReplaceAll(arguments.ReplaceAll(stacks, []byte("$1(...)\n\t")), nil)
}

// valueText is what a panic says, as the runtime has it: of a value that is neither simple nor says
// something of itself, its type alone.
func valueText(v any) string {
	switch v := v.(type) {
	case error:
		return v.Error()
	case fmt.Stringer:
		return v.String()
	}
	switch reflect.TypeOf(v).Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return fmt.Sprint(v)
	}
	return fmt.Sprintf("(%T)", v)
}
