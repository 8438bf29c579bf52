# The zygote's side. perl reads and compiles the script as ever, and stops where the main program
# would begin, in the first INIT block. From there each run is a fork that goes on with the main
# program. Uses no module, so that it leaves %INC as the script alone would.
package Rbz;
delete $INC{'/dev/.rb/server.pl'};
do '/dev/.rb/stamps.pl';

# Variables that may differ from run to run. Nothing reads them while the script is compiled.
$varies = qr/^(?:DPKG_(?:MAINTSCRIPT_\w+|ROOT|ADMINDIR|FORCE|RUNNING_VERSION)|
	DEBIAN_HAS_FRONTEND|DEBCONF_(?:REDIR|OLD_FD_BASE|PACKAGE)|PERL_DL_NONLAZY|
	PWD|OLDPWD|SHLVL|_)\z/x;

# RBZ_START: this process is to start a zygote and ends.
if (exists $ENV{RBZ_START}) {
	delete $ENV{RBZ_START};
	do '/dev/.rb/start.pl';
	start();
	syscall @SYS_exit_group@, 0;
}

prepare();

sub prepare {
	note("begins $$");
	$socket = delete $ENV{RBZ_SOCKET};
	($learned = $socket) =~ s{/z/}{/l/};
	$began = now();
	($identity) = identity() or syscall @SYS_exit_group@, 1;
	$tries = delete $ENV{RBZ_TRIES} // 0;
	%env = %ENV;
	$said_before = -s STDERR; # what perl itself says at its start, as in every run
	$surroundings = surroundings();
	$user = user();
	$own_socket = join ' ', (stat $socket)[0, 1];
	$hook = sub { $asked{$_[1]} = 1; undef }; # which modules are asked for, found or not
	unshift @INC, $hook;
	$is_zygote = 1;
}

INIT { serve() }

END {
	if ($run && $run == $$) {
		local ($?, $!, $@, $^W);
		my @new = grep { !$loaded{$_} && is_learnable($_) } keys %INC;
		if (@new && open my $out, '>>', $learned) {
			print $out "$_\n" for @new;
			close $out;
		}
	}
}

sub is_learnable {
	my ($name) = @_;
	my $file = $INC{$name};
	defined $file && !ref $file && $name =~ m{^[\w/]+\.p[lm]\z}
		&& substr($file, -1 - length $name) eq "/$name";
}

# For tests and for finding faults.
sub note {
	return if !-e '/dev/.rb/log' || !open my $log, '>>', '/dev/.rb/log';
	print $log "$_[0]: $0\n";
	close $log;
}

sub pointer { unpack 'J', pack 'P', $_[0] }

sub now {
	my $time = "\0" x 16;
	syscall @SYS_clock_gettime@, 5, $time; # CLOCK_REALTIME_COARSE, which files are dated by
	my ($seconds, $rest) = unpack 'q q', $time;
	sprintf '%012d.%09d', $seconds, $rest;
}

# What compiling must not change besides the environment.
sub surroundings {
	join "\n", (map { join ' ', (stat "/proc/self/fd/$_")[0, 1] } 0 .. 63),
		join(' ', (stat '.')[0, 1]), umask,
		slurp('/proc/self/status') =~ /^(?:SigBlk|SigIgn|SigCgt):.*/mg,
		map { "$_=$SIG{$_}" } grep { !/^__/ && defined $SIG{$_} && $SIG{$_} ne '' } sort keys %SIG;
}

sub count_open {
	opendir my $list, '/proc/self/fd' or return 0;
	my @open = readdir $list;
	closedir $list;
	scalar @open;
}

# Notes what the next runs depend on. Returns why there cannot be any, or nothing: loading modules
# must not have done more than that.
sub settle {
	my ($open) = @_;
	return 'output' if -s STDOUT;
	# What was said meanwhile is said in each run, before anything else.
	$said = substr slurp('/proc/self/fd/2'), $said_before;
	return 'arguments' if @ARGV;
	return 'descriptors' if count_open() != $open;
	return 'surroundings' if surroundings() ne $surroundings;
	my ($now) = identity();
	return 'identity' if !defined $now || $now ne $identity;
	# Changes of the environment are made again in each run.
	%changed = ();
	for (keys %ENV, keys %env) {
		my $is_same = exists $ENV{$_} && exists $env{$_} && $ENV{$_} eq $env{$_};
		$changed{$_} = $ENV{$_} if !$is_same;
	}
	return 'environment' if grep { /$varies/ } keys %changed;
	@mapped = mapped();
	@files = ($0, (grep { defined && !ref } values %INC), @mapped, search_path(),
		qw(/bin/pwd /etc/ld.so.preload /etc/nsswitch.conf /usr/lib/locale/locale-archive));
	$cache_seen = stamp('/etc/ld.so.cache');
	$moved = moved_libraries();
	watch();
	$seen = look();
	$is_late = is_late();
	return $is_late ? 'too early' : undef;
}

# Compiles the script again: something has changed meanwhile.
sub begin_again {
	return if $tries >= 5;
	truncate "/proc/self/fd/$_", 0 for 1, 2;
	syscall @SYS_lseek@, 2, 0, 0;
	%ENV = (%env, RBZ_SOCKET => $socket, RBZ_TRIES => $tries + 1);
	exec '/usr/bin/perl', $warns ? '-w' : (), $0;
}

# Loads what earlier runs loaded while they ran. Returns why this is no longer a zygote, or nothing.
sub learn {
	open my $in, '<', $learned or return;
	my @names = split /\n/, do { local $/; <$in> };
	close $in;
	unlink $learned;
	my $open = count_open();
	$began = now();
	unshift @INC, $hook;
	my $failed;
	for my $name (grep { m{^[\w/]+\.p[lm]\z} && !exists $INC{$_} } @names) {
		next if eval { require $name; 1 };
		$failed = "learning $name";
		last;
	}
	@INC = grep { !(ref && $_ == $hook) } @INC;
	note("learned @names");
	$failed // settle($open);
}

sub may_serve {
	# Both must be known to the kernel.
	my $self = syscall @SYS_pidfd_open@, $$ + 0, 0;
	return 'no pidfd_open' if $self < 0;
	return 'no close_range' if syscall @SYS_close_range@, $self, $self, 0;
	settle(68); # 0 to 64, the directory itself, . and ..
}

# The socket may be a successor's.
sub unlink_socket {
	unlink $socket if $own_socket eq join ' ', (stat $socket)[0, 1];
}

sub refuse {
	note("refused, $_[0]");
	unlink_socket();
	kill 9, $$;
}

sub serve {
	local $^W = 0;
	my $errno = $! + 0;
	my ($status, $eval) = ($?, $@);
	@INC = grep { !(ref && $_ == $hook) } @INC;
	if (my $reason = may_serve()) {
		begin_again() if $is_late;
		refuse($reason);
	}
	my $name = 'zygote';
	syscall @SYS_prctl@, 15, $name, 0, 0, 0; # PR_SET_NAME
	open $listener, '+<&=', 64;
	note("serves $$");
	while ($listener || %line) {
		my $watched = '';
		vec($watched, 64, 1) = 1 if $listener;
		vec($watched, $_, 1) = 1 for keys %asking;
		for my $fd (keys %line) {
			vec($watched, $fd, 1) = 1;
			vec($watched, fileno $line{$fd}, 1) = 1;
		}
		next if select(my $ready = $watched, undef, undef, undef) <= 0;
		heed_children($ready);
		accept_client() if $listener && vec $ready, 64, 1;
		for my $fd (grep { vec $ready, $_, 1 } keys %asking) {
			next if !$asking{$fd} || !receive($asking{$fd});
			take(delete $asking{$fd}) or next;
			$! = $errno;
			($?, $@) = ($status, $eval);
			return;
		}
	}
	kill 9, $$;
}

# A client that asks for nothing does not keep others waiting. Of too many, the first is sent away.
sub accept_client {
	accept my $line, $listener or return;
	$asking{fileno $line} = { line => $line, number => ++$clients, data => '', passed => [] };
	return if keys %asking <= 64;
	my ($first) = sort { $asking{$a}{number} <=> $asking{$b}{number} } keys %asking;
	drop(delete $asking{$first}, 'N');
}

# Tells clients of children that have ended, and kills those whose client was killed.
sub heed_children {
	my ($ready) = @_;
	for my $fd (keys %line) {
		if (vec $ready, $fd, 1) {
			waitpid $child{$fd}, 0;
			answer($line{$fd}, pack 'L', $?);
			close delete $line{$fd};
			delete $child{$fd};
			syscall @SYS_close@, $fd + 0;
		}
		elsif (vec $ready, fileno $line{$fd}, 1) {
			kill 9, $child{$fd};
		}
	}
}

# Takes no more runs, and ends with the last child.
sub retire {
	note($_[0]);
	unlink_socket();
	close $listener;
	undef $listener;
	drop(delete $asking{$_}, 'R') for keys %asking;
}

# Answers a client. True in the child that is to be its run.
sub take {
	my ($run) = @_;
	my $reason = difference($run);
	if (defined $reason) {
		note("differs, $reason");
		drop($run, 'N');
		return 0;
	}
	# Before more is loaded: what has changed since is not noticed afterwards.
	$reason = 'out of date' if !is_current();
	$reason //= learn() if -e $learned;
	if ($reason) {
		retire($reason);
		drop($run, 'R');
		return 0;
	}
	set_processors($run->{processors});
	my $pid = fork;
	if (!defined $pid) {
		drop($run, 'N');
		return 0;
	}
	if (!$pid) {
		%loaded = map { $_ => 1 } keys %INC;
		$Rbz::run = $$;
		become($run);
		return 1;
	}
	note('served');
	syscall @SYS_close@, $_ + 0 for @{ $run->{passed} };
	my $fd = syscall @SYS_pidfd_open@, $pid, 0;
	if ($fd < 0) { # too many files are open
		waitpid $pid, 0;
		answer($run->{line}, pack 'L', $?);
		return 0;
	}
	$line{$fd} = $run->{line};
	$child{$fd} = $pid;
	return 0;
}

sub drop {
	my ($run, $kind) = @_;
	syscall @SYS_close@, $_ + 0 for @{ $run->{passed} };
	answer($run->{line}, pack 'a4 L', $kind, 0);
}

# The client may have ended: MSG_NOSIGNAL.
sub answer { send $_[0], $_[1], 0x4000 }

# The words of a list of processors as /proc writes it: `ff,ffffffff`.
sub set_processors {
	my @words = reverse map { hex } split /,/, $_[0];
	push @words, 0 if @words % 2;
	my $set = '';
	while (my ($low, $high) = splice @words, 0, 2) { $set .= pack 'Q', $high << 32 | $low }
	syscall @SYS_sched_setaffinity@, 0, length $set, $set;
}

# Takes what a client has sent. True if that was the end of its request.
sub receive {
	my ($run) = @_;
	# The kernel writes into them: they must not share their memory with a constant.
	vec(my $data = '', 131_071, 8) = 0;
	vec(my $control = '', 511, 8) = 0;
	my $part = pack 'J J', pointer($data), length $data;
	my $message = pack 'J L x4 J J J J l x4', 0, 0, pointer($part), 1, pointer($control),
		length $control, 0;
	# MSG_CMSG_CLOEXEC, MSG_DONTWAIT
	my $got = syscall @SYS_recvmsg@, fileno $run->{line}, $message, 0x40000040;
	return $got == 0 || $! != @EAGAIN@ if $got <= 0;
	my $length = unpack 'J', $control;
	push @{ $run->{passed} }, unpack 'x16 l*', substr $control, 0, $length if $length > 16;
	$run->{data} .= substr $data, 0, $got;
	$got = length $run->{data};
	return $got >= 4 && $got >= expected($run) || $got > 131_072;
}

# The length of a request of which there are four bytes.
sub expected { 4 + unpack 'N', $_[0]{data} }

# Reads a request. Returns why this process cannot be that run, or nothing.
sub difference {
	my ($run) = @_;
	return 'length' if length $run->{data} < 4 || length $run->{data} != expected($run);
	my ($numbers, $theirs, $environment);
	eval {
		($numbers, $theirs, @$run{qw(processors comm)}, $environment, $run->{umask},
			@{ $run->{argv} }) = unpack '(N/a)*', substr $run->{data}, 4;
	};
	return 'words' if !defined $run->{umask};
	$run->{numbers} = [unpack 'N*', $numbers];
	return 'descriptors' if @{ $run->{passed} } != 1 + @{ $run->{numbers} };
	return 'identity' if $theirs ne $identity;
	return compare($run, $environment);
}

# Takes the environment of a run, and says which variable makes it another.
sub compare {
	my ($run, $environment) = @_;
	my %theirs;
	for (split /\0/, $environment) {
		my ($name, $value) = split /=/, $_, 2;
		return 'variable without a name' if !defined $value || $name eq '';
		return "$name twice" if exists $theirs{$name};
		$theirs{$name} = $value;
		push @{ $run->{names} }, $name;
	}
	$run->{env} = \%theirs;
	for (keys %theirs, keys %env) {
		next if /$varies/;
		return $_ if !exists $theirs{$_} || !exists $env{$_} || $theirs{$_} ne $env{$_};
	}
	return;
}

# In the child: takes what is the run's own.
sub become {
	my ($run) = @_;
	# Out of the way of the run's numbers.
	my ($high, @moved) = map { my $n = syscall @SYS_fcntl@, $_ + 0, 1030, 128; $n } # F_DUPFD_CLOEXEC
		fileno $run->{line}, @{ $run->{passed} };
	syscall @SYS_exit_group@, 1 if grep { $_ < 0 } $high, @moved;
	syscall @SYS_close_range@, 3, 127, 0;
	syscall @SYS_fchdir@, pop @moved;
	my @numbers = @{ $run->{numbers} };
	syscall @SYS_dup3@, $moved[$_], $numbers[$_], 0 for 0 .. $#numbers;
	setpgrp 0, 0;
	umask $run->{umask};
	%ENV = ();
	$ENV{$_} = $run->{env}{$_} for @{ $run->{names} };
	for (keys %changed) {
		if (defined $changed{$_}) { $ENV{$_} = $changed{$_} }
		else { delete $ENV{$_} }
	}
	@main::ARGV = @{ $run->{argv} };
	$^T = time;
	srand;
	my $name = $run->{comm};
	syscall @SYS_prctl@, 15, $name, 0, 0, 0; # PR_SET_NAME
	my $answer = pack 'a4 L', 'Y', $$;
	syscall @SYS_sendto@, $high, $answer, length $answer, 0x4000, 0, 0;
	if (length $said) { my $text = $said; syscall @SYS_write@, 2, $text, length $text }
	undef $listener;
	undef %line;
	undef %asking;
	syscall @SYS_close_range@, 64, 0x7fffffff, 0;
	delete $main::{'Rbz::'};
}
1;
