# Makes a table in Markdown of what `go test -v -run TestNATPairs` logs: for each pair of NATs, how many
# milliseconds after their first word two nodes reach each other directly, R where a relay passes on what
# they say, - where the case failed.

function ms(d) {
	if (d ~ /µs$/) return d / 1000
	if (d ~ /ms$/) return d + 0
	if (d ~ /m.*s$/) { split(d, part, "m"); return part[1] * 60000 + part[2] * 1000 }
	return d * 1000
}

function kind(k) {
	if (!(k in known)) { known[k] = ++kinds; name[kinds] = k }
}

/^=== (NAME|CONT|RUN) / { pair = $3; sub(/^TestNATPairs\//, "", pair) }

/^=== RUN +TestNATPairs\// { split(pair, end, "-"); kind(end[1]); kind(end[2]) }

/ first ping .*relayed$/ || / first ping .*direct / {
	match($0, /first ping [^,]*/)
	first[++pings] = ms(substr($0, RSTART + 11, RLENGTH - 11))
	cell[pair] = $NF == "relayed" ? "R" : sprintf("%.0f", ms($NF))
}

/^ +--- FAIL: TestNATPairs\// { pair = $3; sub(/^TestNATPairs\//, "", pair); cell[pair] = "-" }

END {
	if (!kinds) exit 1
	line = "| |"; rule = "|---|"
	for (i = 1; i <= kinds; i++) { line = line " " name[i] " |"; rule = rule "---|" }
	print line; print rule
	for (i = 1; i <= kinds; i++) {
		line = "| " name[i] " |"
		for (k = 1; k <= kinds; k++) line = line " " (k < i ? "" : cell[name[i] "-" name[k]]) " |"
		gsub(/  /, " ", line)
		print line
	}
	for (i = 1; i <= pings; i++) { # a sort by insertion: awk has none
		for (k = i; k > 1 && first[k - 1] > first[k]; k--) {
			swap = first[k]; first[k] = first[k - 1]; first[k - 1] = swap
		}
	}
	printf "\nThe first ping took %.0f ms in the middle case and %.0f ms in the slowest.\n",
		first[int((pings + 1) / 2)], first[pings]
}
