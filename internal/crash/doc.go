// Package crash sees to it that a program which comes to a bad end leaves a report: one file, which can
// be attached to a message, with the stacks of all goroutines and what else tells why, and without keys.
//
// There are two ways to one. A panic of a goroutine that defers [Reporter.Guard] is reported before the
// process ends, whole. What Go lets nobody recover, such as concurrent writes to a map, no memory, a deadlock,
// SIGABRT from a watchdog, and a panic of any other goroutine, the runtime writes as text to the mark, a
// small file that was opened at the start ([debug.SetCrashOutput]); the next [Open] makes a report of that.
// An orderly end removes the mark, so one with more than its first line always says that the last run
// crashed, and [Reporter.Last] tells where its report is.
//
// Either way the process ends as it would have without this package: with the runtime's own words on
// standard error and exit code 2. Writing a report waits for nothing for long, and its own errors, even its own
// panics, cost the report alone. A service makes one [Reporter]; all its methods may be called concurrently, and
// on nil, where they do nothing.
package crash
