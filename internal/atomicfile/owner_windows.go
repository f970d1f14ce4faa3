package atomicfile

import (
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// noFollow is nothing here: making a link takes rights that only administrators have.
const noFollow = 0

// give leaves the owner to the system.
func give(*os.File, string) error { return nil }

// privateDir lets the system and administrators in, and nobody else: what lies below %ProgramData% can
// be read by every user otherwise, and the keys of a service lie there.
const privateDir = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"

// makeDir makes one directory. That of an administrator is for administrators alone; anybody else's lies
// in their own part of the disk, which is theirs.
func makeDir(dir string) error {
	if !windows.GetCurrentProcessToken().IsElevated() {
		return os.Mkdir(dir, 0o700)
	}
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return err
	}
	descriptor, err := windows.SecurityDescriptorFromString(privateDir)
	if err != nil {
		return err
	}
	attributes := &windows.SecurityAttributes{SecurityDescriptor: descriptor}
	attributes.Length = uint32(unsafe.Sizeof(*attributes))
	if err := windows.CreateDirectory(name, attributes); err != nil {
		return &os.PathError{Op: "mkdir", Path: dir, Err: err}
	}
	return nil
}
