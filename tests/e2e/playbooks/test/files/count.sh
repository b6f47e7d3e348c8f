# $1 folder, $2 name of the step, $3 seconds: leaves one line each time it runs, says something before and after.
set -eu
echo "begin $2"
echo "$2" >>"$1/$2"
sleep "$3"
echo "end $2"
