ready() { n=0; while [ ! -e /tmp/ready.$1 ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done; }
signalled() {
	name=$1; how=$2; shift 2
	rm -f /tmp/survived
	# A shell's job has INT and QUIT ignored.
	perl -e '$SIG{INT} = $SIG{QUIT} = "DEFAULT"; exec @ARGV' $S $how $name >/tmp/out & p=$!
	ready $name
	for signal; do kill -$signal $p; sleep 0.3; done
	: >/tmp/end.$name
	wait $p; status=$?; sleep 0.3
	echo "== $name"; echo "-> $status"; cat /tmp/out; ls /tmp/survived 2>/dev/null
}
signalled caught catch USR1 TERM
signalled not-caught plain TERM
signalled user plain USR1
signalled user-2 plain USR2
signalled hangup plain HUP
signalled interrupt plain INT
signalled quit plain QUIT
signalled ignored ignore TERM
signalled killed plain KILL
rm -f /tmp/ready.late /tmp/end.late
run timeout timeout 2 $S plain late
rm -f /tmp/ready.late
perl -e '$SIG{ALRM} = "DEFAULT"; alarm 1; exec @ARGV' $S plain late; echo "== alarm"; echo "-> $?"
: >/tmp/end.late
(trap '' PIPE INT; run ignored-before $S plain late)
(trap '' TERM; run ignored-term $S plain late)
