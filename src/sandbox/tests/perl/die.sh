for how in plain line errno status sub handler 'exit 0' 'exit 1' 'exit 255' return end warn 'kill TERM' 'kill KILL' 'kill INT' 'kill ABRT' 'kill SEGV' 'kill PIPE' exec; do
	run "$how" $S $how
done
run object $S object 2>&1 | sed 's/HASH(0x[0-9a-f]*)/HASH/'
{ $S pipe 2>/tmp/error; echo "status $?" >/tmp/status; } | head -1
run pipe cat /tmp/status /tmp/error
run full sh -c "$S full >/dev/full"
run five-deep $S level 5
# A shell's job has INT and QUIT ignored.
perl -e '$SIG{INT} = $SIG{QUIT} = "DEFAULT";
	for (1 .. 16) { if (!fork) { open STDOUT, ">", "/tmp/beside.$_"; exec @ARGV } }
	1 while wait > 0' $S level 2
run sixteen-at-once sh -c 'cat /tmp/beside.* | sort | uniq -c'
big=$(printf %070000d 0)
run long-arguments $S exit 10 $big
run arguments-at-the-limit $S exit 11 $(printf %059000d 0)
