package tundev

import (
	"strconv"
	"strings"
)

// unitOf gives the number of an interface that is called as its driver and a number. Systems where
// all are called so do not take other names.
func unitOf(driver, name string) (unit int, ok bool) {
	digits, ok := strings.CutPrefix(name, driver)
	if !ok || digits == "" || digits[0] == '0' && digits != "0" {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 15)
	if err != nil {
		return 0, false
	}
	return int(n), true
}

// driverName gives what to ask such a system for: the name, if it is one of the driver's, or any
// of these.
func driverName(driver, name string) string {
	if _, ok := unitOf(driver, name); ok {
		return name
	}
	return driver
}
