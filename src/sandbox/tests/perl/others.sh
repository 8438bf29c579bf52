run plain $S
(ulimit -n 300; run limit $S)
run nice nice -n 3 $S
run no-environment env -i PATH=/usr/bin:/bin $S
run one-more env X=1 $S
run perl5lib env PERL5LIB=/var/opt $S
run hash-seed env PERL_HASH_SEED=0 $S
run debugger env PERL5OPT=-Mstrict $S
run unset env -u HOME $S
run loader env LD_BIND_NOW=1 $S
run order env PERL_PERTURB_KEYS=0 $S
run personality setarch -R $S
run no-new-privileges setpriv --no-new-privs $S
run fewer-capabilities setpriv --bounding-set -kill $S
run idle-disk ionice -c 3 $S
run batch chrt -b 0 $S
run timer-slack perl -e 'exit system(@ARGV) >> 8' sh -c 'echo 60000 >/proc/self/timerslack_ns; exec "$0"' $S
run blocked perl -MPOSIX -e 'sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGUSR1)); exec @ARGV' $S
run umask sh -c 'umask 0; exec "$0"' $S
run late-variable env Z=1 A=2 $S
run other-user perl -e '$( = $) = "65534 65534"; $< = $> = 65534; exec @ARGV' $S
run groups perl -e '$) = "0 5"; exec @ARGV' $S
run check perl -c $S
run include perl -I/x $S
run module perl -Mstrict $S
run switch perl -W $S
(cd /usr/bin; run relative ./deb-systemd-helper; run by-perl perl deb-systemd-helper)
ln -s deb-systemd-helper /usr/bin/other-name; run link /usr/bin/other-name
cp $S /tmp/copy; run copy perl /tmp/copy
perl -e 'print "BEGIN\n" if 0; open F, "<", $ARGV[0]; @l = <F>; print scalar @l, "\n"' $S
run twice sh -c "$S; $S"
sleep 0.5 # from now on the sandbox leaves the processors as they are
: >/tmp/pinned; run one-processor taskset 1 $S
