# Runs a scratch server until the program that asked for it closes our standard
# input, which the system does too when that program is killed; then stops the
# server and removes its folder. Arguments: the folder, the folder of the
# binaries, further arguments of initdb.
dir=$1 bin=$2
shift 2
exec 3<&0 </dev/null

# Signals a process until it is gone. The data is worthless by now, so the
# server gets SIGQUIT, its immediate shutdown, and SIGKILL after ten seconds.
stop() {
	tries=0
	while kill -s QUIT "$1"; do
		sleep 0.1
		tries=$((tries + 1))
		if [ $tries -ge 100 ]; then
			kill -s KILL "$1"
			return
		fi
	done
}

# Runs a program to its end or to that of our input.
run() {
	"$@" >>"$dir/log" 2>&1 3<&- &
	job=$!
	(read -r _ <&3; stop $job) >/dev/null 2>&1 &
	guard=$!
	wait $job
	status=$?
	kill $guard
	return $status
}

run "$bin/initdb" -D "$dir/data" "$@" && rm -f "$dir/password" &&
	run "$bin/postgres" -D "$dir/data" -c "config_file=$dir/server.conf"
(echo ended) # in a shell of its own: nobody may be reading any more
read -r _ <&3

# Children of a killed server may still be leaving.
tries=0
until rm -rf "$dir" || [ $tries -ge 50 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
