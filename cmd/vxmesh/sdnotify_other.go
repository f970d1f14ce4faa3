//go:build !linux

package main

// reloading is empty where there is no systemd.
func reloading() string { return "" }
