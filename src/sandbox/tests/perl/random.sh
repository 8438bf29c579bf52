for n in 1 2 3 4 5 6 7 8; do $S; done >/tmp/numbers
run different sh -c 'sort -u /tmp/numbers | wc -l'
