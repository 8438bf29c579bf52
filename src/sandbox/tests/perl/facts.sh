perl -e 'print readlink qq(/proc/self/ns/$_), qq(\n) for qw(mnt pid net user cgroup ipc uts)' >/tmp/namespaces
(cd /usr/share; umask 027; run facts $S a 'b c' '' 'd
e' -x --)
run facts-again $S
run through-perl perl $S via perl
(umask 077; cd /tmp; run through-perl-w perl -w $S via -w)
(cd /; run in-root $S)
run one-more-variable env DPKG_MAINTSCRIPT_PACKAGE=x PWD=/x _=y $S
