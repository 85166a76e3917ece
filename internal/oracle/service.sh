# Runs a program until the tests that asked for it close our standard input,
# which the system does too when they are killed; then kills the program and
# removes its folder. Arguments: the folder, the program, its arguments. The
# program alone keeps our standard output, so that its end is seen there.
dir=$1
shift
exec 3<&0 </dev/null
"$@" 4>&1 >"$dir/log" 2>&1 3<&- &
job=$!
exec >/dev/null 2>&1
read -r _ <&3
kill -s KILL $job
wait $job

# A killed program's last files may still be appearing.
tries=0
until rm -rf "$dir" || [ $tries -ge 50 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
