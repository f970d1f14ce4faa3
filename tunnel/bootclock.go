package tunnel

import "time"

// processStart is the origin of time where the system tells no better one.
var processStart = time.Now()
