#!/bin/sh
# Run a command with its temporary files in memory, if 8 GB are free there; remove them afterwards.
# On a disk, tests wait for it half of their time. Usage: tests/in_memory.sh COMMAND [ARGUMENT ...]
free_kilobytes=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 {print $4}')
if [ -w /dev/shm ] && [ "${free_kilobytes:-0}" -gt 8000000 ]; then
  folder=$(mktemp -d /dev/shm/hinet-search-tests-XXXXXX)
  trap 'rm -rf "$folder"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  export TMPDIR="$folder"
fi
"$@"
