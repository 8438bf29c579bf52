printf 'l1\nl2\nl3\n' >/tmp/lines
cat /tmp/lines | run pipe $S stdin
run file $S stdin x </tmp/lines
run null $S stdin </dev/null
echo seven >/tmp/seven
(run numbers $S numbers 3>/tmp/three 7</tmp/seven); run three cat /tmp/three
(run numbers-without-5 $S numbers 3>/tmp/three 7</tmp/seven 5>&-)
(run high-number perl -e 'use POSIX (); POSIX::dup2(0, 70); exec @ARGV' $S exit 2)
(run no-stdin $S exit 3 <&-)
(run no-stderr $S exit 4 2>&-)
rm -f /tmp/eof
{ $S close; } | { cat; : >/tmp/eof; }
run closed-pipe cat /tmp/closed
rm -f /tmp/go; run daemon sh -c "x=\$($S daemon); echo \$x"; : >/tmp/go
n=0; while [ ! -s /tmp/daemon ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done
run daemon-itself cat /tmp/daemon
