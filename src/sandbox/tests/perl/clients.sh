there() { until [ -e $1 ] || [ ! -e /dev/.rb ]; do sleep 0.05; done; }
connect='sub line { socket my $s, 1, 1, 0; $s }
	sub address { pack "S a*", 1, "/dev/.rb/z/$_[0]!usr!bin!deb-systemd-helper\0" }
	sub done { open my $f, ">", $_[0]; close $f }
	exit 0 if !-e "/dev/.rb"; $SIG{PIPE} = "IGNORE";
'
run plain $S
perl -e "$connect"'$s = line(); connect $s, address(0); done("/tmp/silent"); sleep 1000' & p=$!
there /tmp/silent; run beside-a-silent-client timeout 20 $S a
{ kill $p; wait $p; } 2>/dev/null
perl -e "$connect"'for (1 .. 100) { push @s, line(); connect $s[-1], address(0) }
	done("/tmp/many"); sleep 1000' & p=$!
there /tmp/many; run beside-many timeout 20 $S b
{ kill $p; wait $p; } 2>/dev/null
perl -e "$connect"'for ("", "\0", "\0\0\0\0", "\0\0\0\4\0\0\0\xff", "\0\0\0\x08\0\0\0\xff\0\0\0\0",
	"\0\0\0\x18" . "\0\0\0\0" x 6, "\xff\xff\xff\xffx", "x" x 300_000) {
	$s = line(); connect $s, address(0); syswrite $s, $_; shutdown $s, 1; sysread $s, $answer, 8;
	print "answer $answer\n" if $answer !~ /^N/ }'
run after-nonsense timeout 20 $S c
# A descriptor with the first bytes of a request.
cat >/tmp/short <<'END'
exit 0 if !-e '/dev/.rb';
open C, '<', '/dev/.rb/client.pl'; ($sendmsg) = join('', <C>) =~ /syscall (\d+), fileno \$line, \$message/;
socket S, 1, 1, 0; connect S, pack 'S a*', 1, "/dev/.rb/z/0!usr!bin!deb-systemd-helper\0";
$data = 'xx'; $control = pack 'J l l l x4', 20, 1, 1, 1; $part = pack 'P J', $data, 2;
$message = pack 'J J P J P J J', 0, 0, $part, 1, $control, length $control, 0;
syscall($sendmsg + 0, fileno S, $message, 0) == 2 or die "sendmsg: $!";
END
run pipe-of-a-short-request sh -c 'perl /tmp/short | timeout 20 cat'
run after-a-short-request timeout 20 $S d
for answer in '' Y 12345678 R1234567; do
	rm -f /tmp/listens
	perl -e "$connect"'$l = line(); bind $l, address(1); listen $l, 5; done("/tmp/listens");
		accept $c, $l; syswrite $c, shift' "$answer" & p=$!
	there /tmp/listens; run "answer $answer" perl -w $S e
	wait $p; rm -f '/dev/.rb/z/1!usr!bin!deb-systemd-helper'
done
