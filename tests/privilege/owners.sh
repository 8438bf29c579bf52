# Sets owners in every way that scripts know, and writes down what it sees.
set +e
cd /usr/share/owners
exec >transcript 2>&1
show() { stat -c '%n %u:%g %a %F %h' "$@"; }

echo "== owners"
echo x >a; chown 33:42 a; chmod 6755 a; show a
chown 33:42 a; show a
chmod 4755 a; chown :12 a; show a
chown 6 a; show a; chown 0:0 a; show a
chown 65534:65534 a; mv a b; ln b c; show b c
cp -a b d; cp b e; show d e
ln -s b link; chown -h 5:5 link; chown 7:7 link; show link b; stat -L -c '%u:%g' link
mkdir -p dir/sub; chown -R 12:13 dir; show dir dir/sub
(cd dir/sub && chown 1:1 ../../b && show ../../b && ln -s /usr/share/owners/b absolute \
	&& chown 2:2 absolute && show ../../b absolute)
(cd dir && chown 4:4 ../../../../../../../usr/share/owners/c && show sub/../../b)
mkdir copy; tar cf - dir | (cd copy && tar xpf - && show dir dir/sub dir/sub/absolute)
tar cf t.tar dir b; tar --numeric-owner -tvf t.tar | sed 's/ 20.*:.. / /'; rm t.tar
install -d -o 6 -g 12 -m 2750 made; install -o 1 -g 4 -m 4711 b made/b; show made made/b
chgrp -R 43 made; show made made/b
chown 1:1 absent; chown 1:1 b/absent; chown 1:1 ''

echo "== descriptors"
exec 3<b; stat -L -c '%u:%g' /proc/self/fd/3 /dev/fd/3; chown 3:3 /proc/self/fd/3; show b; exec 3<&-
perl -e 'open F, "<b"; chown 8, 9, *F; print join(":", (stat F)[4, 5]), "\n"; chown 10, -1, *F'; show b

echo "== groups of directories"
mkdir g; chown 0:42 g; chmod 2775 g
touch g/f; mkdir g/d; ln -s x g/l; mkfifo g/p; echo y >g/new; cp b g/; touch g/d/f
umask 077; touch g/m; mkdir g/n; umask 022; touch g/f
(cd g/d && touch ../up && mkdir ./here)
cp /usr/bin/true g/x; g/x && echo executed
perl -e 'open A, ">g/lock"; flock A, 2; close A; open B, ">>g/lock"; print flock(B, 6) ? "locked\n" : "held\n"'
perl -e 'for my $n ("up/l", "l", "here/none") { print syscall(257, -100, "g/$n", 0x200000 | 0x40, 0600) < 0 ? "$!\n" : "open\n" }' | head -n 3
show g/*; show g/d/*; ls -ln g/b | cut -c1-10

echo "== other users"
mkdir t; chown 6:12 t
setpriv --reuid=6 --regid=12 --groups=50,42 sh -c '
id -u; id -g; id -G; id -ru; id -rg
cd t; echo x >f; mkdir d; ln -s x l; mkfifo p; set -C; echo x >new; echo x >new; set +C; echo y >>new
chown 6:42 f; chown 6:43 f; chown 0 f; chown 6:12 new; chmod 600 new; cat new
setpriv --reuid=0 true; setpriv --regid=0 true; setpriv --clear-groups true
sh -c "sh -c \"touch grandchild; id -u\""
(touch background; id -u >id) & wait'
show t t/*; id -u; id -G
perl -e '$) = "12 42 12"; $> = 6; print "$< $>\n"; open F, ">t/perl"; mkdir "t/perl.d"; $> = 0; print "$< $>\n"; open F, ">perl"'
show t/perl t/perl.d perl

echo "== setuid programs"
cp "$(command -v id)" as-user; chown 6:12 as-user; chmod 6755 as-user
./as-user -u; ./as-user -ru; ./as-user -g; ./as-user -rg
chmod 2655 as-user; ./as-user -g; chmod 4755 as-user; setpriv --no-new-privs ./as-user -u
cp as-user as-root; chown 0:42 as-root; chmod 6755 as-root
setpriv --reuid=6 --regid=12 --clear-groups sh -c 'exec ./as-root -u'
setpriv --reuid=6 --regid=12 --clear-groups ./as-root -ru
setpriv --reuid=6 --regid=12 --clear-groups ./as-root -g
printf '#!/bin/sh\nid -u\n' >script; chown 6:12 script; chmod 6755 script; ./script
cp "$(command -v touch)" toucher; chown 6:12 toucher; chmod 6755 toucher; ./toucher t/by-program; show t/by-program
perl -e '$> = 6; exec "perl", "-e", q{print "$< $>\n"; $> = 0; print "$< $>\n"}'
perl -e '($<, $>) = (6, 6); $> = 0; print "$< $>\n"; exec "./absent"; exec "perl", "-e", q{$> = 0; print "$< $>\n"}'

echo "== sockets and files without a name"
bind='socket(my $s, 1, 1, 0); bind($s, pack("Sa*", 1, $_)) or print "$!\n" for @ARGV; my $n = getsockname($s); $n =~ s/\0//g; print substr($n, 1), "\n"'
mkdir h; chown 0:42 h; chmod 2775 h
perl -e "$bind" h/socket; perl -e "$bind" /usr/share/owners/h/absolute; perl -e "$bind" h/socket; perl -e "$bind" plain-socket
(cd t && setpriv --reuid=6 --regid=12 --clear-groups perl -e "$bind" socket)
show h/socket h/absolute plain-socket t/socket
unnamed='my ($d, $n) = @ARGV; my $f = syscall(257, -100, $d, 0x410002, 0640); if ($f < 0) { open(F, ">$d/$n"); chmod 0640, "$d/$n" }
else { syscall(265, -100, "/proc/self/fd/$f", -100, "$d/$n", 0x400) }'
perl -e "$unnamed" h unnamed; perl -e "$unnamed" . unnamed
setpriv --reuid=6 --regid=12 --clear-groups perl -e "$unnamed" t unnamed
second='my $n = $ARGV[0]; syscall(437, -100, $n, pack("QQQ", 0x41, 0640, 0), 24) < 0 and syscall(257, -100, $n, 0x41, 0640)'
perl -e "$second" h/openat2; setpriv --reuid=6 --regid=12 --clear-groups perl -e "$second" t/openat2
show h/unnamed unnamed t/unnamed h/openat2 t/openat2

echo "== the numbers of inodes"
i=0; while [ $i -lt 300 ]; do touch r; chown 9:9 r; rm r; touch s; stat -c %u:%g s; rm s; i=$((i + 1)); done | sort -u
i=0; while [ $i -lt 50 ]; do mkdir r; chown 9:9 r; rmdir r; mkdir s; stat -c %u:%g s; rmdir s; i=$((i + 1)); done | sort -u

echo "== capabilities"
cp b capped; chown 0:42 capped; setcap cap_net_raw+ep capped; getcap capped; show capped
chown 0:43 capped; getcap capped; setcap cap_chown+p capped

echo "== lists"
chmod 644 b; setfacl -m u:33:rw,g:4:r b; getfacl -n b; show b
chmod 640 b; getfacl -n b; cp -a b withlist; getfacl -n withlist
setfacl -x u:33 b; getfacl -n b; setfacl -b withlist; getfacl -n withlist; show withlist
setfacl -d -m g:4:rx dir; setfacl -m u::rwx,g::r-x,o::--- dir/sub; getfacl -n dir dir/sub

echo "== devices"
mknod character c 1 3; mknod block b 7 0; ls

echo "== search"
find . -user 6 | sort; find . -group 42 | sort; find . -nouser | sort
