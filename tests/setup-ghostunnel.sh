#!/usr/bin/env bash
# Prints the path of a ghostunnel that tests may use: one of an accepted version on PATH, the one built here
# earlier, or one built now by `go install` through the Go module proxy. Quick when it is there already.
set -u

version=v1.11.1          # what is built
accepted='v?1\.11\.[1-9]' # what is taken from PATH: 1.11.1 and its patches
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pacs-appliance/ghostunnel-$version

accepts() { "$1" --version 2>&1 | grep -Eq "(^|[^0-9.])$accepted"; }

if found=$(command -v ghostunnel) && accepts "$found"; then
  echo "$found"
  exit 0
fi
if [ -x "$cache/ghostunnel" ]; then
  echo "$cache/ghostunnel"
  exit 0
fi
[ -z "${found:-}" ] || echo "tests/setup-ghostunnel.sh: $found is not ghostunnel 1.11.1; building that" >&2

if ! command -v go >/dev/null; then
  echo "tests/setup-ghostunnel.sh: neither ghostunnel 1.11.1 nor go is on PATH: install Go 1.25 or newer from" \
    "https://go.dev/dl, or put the release binary from https://github.com/ghostunnel/ghostunnel/releases on PATH" >&2
  exit 1
fi

# Without cgo: a static binary, and no PKCS#11, which nothing here uses. The version is for `accepts` above.
draft=$(mktemp -d) || exit 1
trap 'rm -rf "$draft"' EXIT
if ! CGO_ENABLED=0 GOBIN=$draft go install -trimpath -ldflags "-s -w -X main.version=$version" \
  "github.com/ghostunnel/ghostunnel@$version" >&2; then
  echo "tests/setup-ghostunnel.sh: ghostunnel $version could not be built (above: go's reason). Where the Go module" \
    "proxy does not have it, put the release binary on PATH" >&2
  exit 1
fi
mkdir -p "$cache" && mv "$draft/ghostunnel" "$cache/ghostunnel" && echo "$cache/ghostunnel"
