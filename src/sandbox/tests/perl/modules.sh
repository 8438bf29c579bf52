mine() { printf 'package Mine; our $version = %s; print STDERR "compiled\\n" if %s; 1;\n' $1 ${2:-0} >/m/Mine.pm; }
mine 1
---
mine() { printf 'package Mine; our $version = %s; print STDERR "compiled\\n" if %s; 1;\n' $1 ${2:-0} >/m/Mine.pm; }
run first $S; run second $S
mine 22; run changed $S; run changed-again $S
echo 'package Maybe; 1;' >/m/Maybe.pm; run added $S; run added-again $S
rm /m/Maybe.pm; run removed $S
mkdir -p /etc/perl; run directory $S
mine 3 1; run says-something $S; run says-it-again $S
mine 4; run quiet $S
echo 'package Late; 1;' >/m/Late.pm
run late $S x; run late-known $S x; run without-late $S
echo 'package Late; die "no";' >/m/Late.pm; run late-broken $S x
echo 'package Late; 1;' >/m/Late.pm; run late-mended $S x
touch /usr/bin/perl; run other-perl $S; run other-perl-again $S
echo 'x:x:0:0::/:/bin/sh' >/etc/passwd; run user $S; rm /etc/passwd; run no-user $S
echo 'package Mine; our $version = 5; 1;' >/m/Mine.pmc; run compiled-form $S
rm /m/Mine.pmc; run no-compiled-form $S
