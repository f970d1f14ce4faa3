#!/bin/bash
# Builds the program and its packages twice, the second time in a copy of the tree at another place, with
# nothing of the first build to use, and sees that not a byte differs. Called by `make reproducible`.
#
#   packaging/test/reproducible.sh LDFLAGS STAMP FORMAT... -- NFPM...
set -euo pipefail

strip=$1 stamp=$2
shift 2
formats=()
while [ "$1" != -- ]; do
	formats+=("$1")
	shift
done
shift
nfpm=("$@")
here=$PWD
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
read -ra flags <<<"${strip//\'/ }"

build() { # a tree, and where to
	mkdir -p "$2"
	(
		cd "$1"
		CGO_ENABLED=0 go build -trimpath -buildvcs="$stamp" -ldflags "${flags[*]:1}" -o "$2/vxmesh" ./cmd/vxmesh
	)
}
pack() { # by the nfpm of the first tree, which is no part of it
	make --no-print-directory -C "$1" scripts
	for format in "${formats[@]}"; do
		(cd "$1" && BIN=$2/vxmesh ARCH=amd64 VERSION=0.0.1 "${nfpm[@]}" package -f packaging/nfpm.yaml -p "$format" -t "$2/$format") >/dev/null
	done
}

build "$here" "$work/first"
pack "$here" "$work/first"
cp -a "$here" "$work/tree"
find "$work/tree" -path "$work/tree/.git" -prune -o -type f -exec touch -d '2001-01-01' {} + # no time of a file counts
GOCACHE=$work/cache build "$work/tree" "$work/second"
rm -rf "$work/tree/dist"
cp -r "$here/dist" "$work/tree/dist"
rm -r "$work/tree/dist/scripts"
pack "$work/tree" "$work/second"
for name in vxmesh "${formats[@]}"; do
	cmp "$work/first/$name" "$work/second/$name"
	sha256sum "$work/first/$name" | sed "s#  .*#  $name#"
done
echo "built twice, not a byte differs (${SECONDS}s)"
