# Read by a covered script before the rest of it, so it is short. Hands the run to the script's
# zygote; where none fits, it does nothing, and perl goes on with the script. In a process that is
# to be a zygote it reads server.pl.
package Rbz;
BEGIN { $warns = $^W ? 1 : 0; $^W = 0 }
delete $INC{'/dev/.rb/client.pl'};
if (exists $ENV{RBZ_SOCKET} || exists $ENV{RBZ_START}) {
	do '/dev/.rb/server.pl';
	syscall @SYS_exit_group@, 1 if !$is_zygote;
}
else { eval { hand_over() } }
$^W = $warns;
delete $main::{'Rbz::'} if !$is_zygote;

sub slurp { open my $in, '<', $_[0] or return ''; local $/; scalar <$in> }

sub address {
	(my $name = $0) =~ tr{/}{!};
	"/dev/.rb/z/$warns$name";
}

# What a process inherits and a zygote must have alike, byte for byte. Then what may differ: the
# processors and the process's name. Nothing if a signal is blocked or ignored, or a timer runs.
sub identity {
	my %status = slurp('/proc/self/status') =~ /^(\w+):[ \t]*(.*?)[ \t]*$/mg;
	# perl itself ignores SIGFPE
	return if $status{SigBlk} !~ /^0+\z/ || $status{SigIgn} !~ /^0+(?:80)?\z/;
	return if !defined $status{Cpus_allowed};
	for my $which (0 .. 2) {
		my $timer = "\0" x 32;
		return if syscall(@SYS_getitimer@, $which + 0, $timer) || $timer ne "\0" x 32;
	}
	my $stat = slurp('/proc/self/stat');
	my ($comm) = $stat =~ /^\d+ \((.*)\) /s or return;
	my @field = split ' ', substr $stat, rindex $stat, ')';
	my @identity = map { $_ // '' } @status{qw(Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb
		NoNewPrivs Seccomp Seccomp_filters)};
	push @identity, @field[16, 17, 38, 39]; # priority, nice value, real-time priority, policy
	push @identity, map { slurp("/proc/self/$_") } 'limits', 'oom_score_adj', 'personality';
	push @identity, map { readlink("/proc/self/ns/$_") // '' }
		qw(mnt uts ipc net pid pid_for_children user cgroup time);
	push @identity, syscall(@SYS_prctl@, 27, 0, 0, 0, 0); # PR_GET_SECUREBITS
	push @identity, syscall(@SYS_prctl@, 30, 0, 0, 0, 0); # PR_GET_TIMERSLACK
	push @identity, syscall(@SYS_ioprio_get@, 1, 0);
	push @identity, (stat '/')[0, 1];
	return (join("\n", @identity), $status{Cpus_allowed}, $comm);
}

# The descriptors of the caller of this run, if a zygote's child can have them.
sub descriptors {
	opendir my $list, '/proc/self/fd' or return;
	my @open = sort { $a <=> $b } grep { /^\d+\z/ && $_ != fileno $list } readdir $list;
	closedir $list;
	# perl's own, through which it reads the script
	my @others = grep { (readlink "/proc/self/fd/$_") ne $0 } @open;
	return if @others != @open - 1;
	return if "@others[0 .. 2]" ne '0 1 2' || $others[-1] >= 64;
	return if -t STDIN || -t STDOUT || -t STDERR;
	return @others;
}

# Whether perl was started to run this script, and in no special way.
sub is_plain {
	return 0 if $0 ne '/usr/share/debconf/frontend' && $0 ne '/usr/bin/deb-systemd-helper';
	return 0 if %INC || $^X ne '/usr/bin/perl';
	my @words = split /\0/, slurp('/proc/self/cmdline'), -1;
	return $words[1] eq $0 || $words[1] eq '-w' && $words[2] eq $0;
}

sub is_plain_environment {
	my $special = qr/PERL5OPT|PERL5DB\w*|PERL_HASH_SEED|PERL_RAND_SEED|PERL_PERTURB_KEYS|LD_\w+/;
	return "\0$_[0]" !~ /\0(?:$special)=/;
}

sub hand_over {
	local ($!, $@, $?);
	return if !is_plain();
	my $environment = slurp('/proc/self/environ');
	return if !is_plain_environment($environment);
	my @open = descriptors() or return;
	return if length(join "\0", $environment, @ARGV) > 60_000;
	my ($identity, @varying) = identity() or return;
	for (1 .. 3) {
		socket my $line, 1, 1, 0 or return;
		connect $line, pack('S a*', 1, address() . "\0") or return;
		my $answer = request($line, \@open, $identity, @varying, $environment, umask, @ARGV);
		return if length $answer != 8; # the zygote has ended
		my ($kind, $child) = unpack 'a x3 L', $answer;
		wait_for($line, $child) if $kind eq 'Y';
		return if $kind ne 'R';
		close $line;
		# It was out of date.
		do '/dev/.rb/start.pl';
		start() or return;
	}
}

# Sends these words with the descriptors and the directory, and returns the answer: eight bytes, or
# none.
sub request {
	my ($line, $open, @words) = @_;
	opendir my $here, '.' or return '';
	my $data = pack 'N/a', join '', map { pack 'N/a', $_ } pack('N*', @$open), @words;
	my $control = pack 'J l l l*', 16 + 4 * (@$open + 1), @SOL_SOCKET@, 1, @$open, fileno $here;
	$control .= "\0\0\0\0" if length($control) % 8;
	my $part = pack 'P J', $data, length $data;
	my $message = pack 'J J P J P J J', 0, 0, $part, 1, $control, length $control, 0;
	my $sent = syscall @SYS_sendmsg@, fileno $line, $message, 0x4000; # MSG_NOSIGNAL
	return '' if $sent != length $data;
	my $answer = '';
	while (length $answer < 8) {
		sysread $line, $answer, 8 - length $answer, length $answer or return '';
	}
	$answer;
}

# From here on the run is the zygote's child: ends as that ends.
sub wait_for {
	my ($line, $child) = @_;
	for my $name (qw(HUP INT QUIT USR1 USR2 PIPE ALRM TERM CONT)) {
		$SIG{$name} = sub { kill $name, $child };
	}
	# Nothing of this process may keep a pipe open.
	syscall @SYS_dup3@, fileno $line, 64, 0;
	syscall @SYS_close_range@, 0, 63, 0;
	syscall @SYS_close_range@, 65, 0x7fffffff, 0;
	vec(my $watched = '', 64, 1) = 1;
	# A signal that comes just before the call is forwarded after it.
	1 until select(my $ready = $watched, undef, undef, 0.5) > 0;
	my $status = "\0" x 4;
	my $got = syscall @SYS_read@, 64, $status, 4;
	syscall @SYS_exit_group@, 255 if $got != 4; # the zygote was killed
	$status = unpack 'L', $status;
	if (my $signal = $status & 127) {
		my $none = "\0" x 16;
		syscall @SYS_prlimit64@, 0, 4, $none, 0; # no core
		$SIG{$_} = 'DEFAULT' for grep { ref $SIG{$_} } keys %SIG;
		kill $signal, $$;
	}
	syscall @SYS_exit_group@, $status >> 8 & 255;
}
1;
