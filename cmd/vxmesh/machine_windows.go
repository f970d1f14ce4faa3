package main

import "golang.org/x/sys/windows"

// forMachine reports whether networks are the machine's, not those of an ordinary user: whoever may start
// services keeps what they need where the services find it.
func forMachine() bool { return windows.GetCurrentProcessToken().IsElevated() }

// machineStateDir is where the states of the machine's networks are, beside their configs.
func machineStateDir() string { return configDir() }
