#!/bin/sh
# Puts the agent of {{.Site}} in place when this card boots. systemd runs it, by the words
# that sidik-provision put at the end of cmdline.txt, in a boot of its own: there is no
# network, nothing else is started, and the machine boots again afterwards.
#
# The words go out of cmdline.txt last. A power cut before that means that the next boot
# does all of it again, which first-boot.sh allows. So that this ends, each try is counted
# on the card before it begins, and after {{.Tries}} the words go out without an agent.
#
#   sh boot.sh FOLDER   for a system whose root is FOLDER and not this one
set -u
umask 077
kit=$(cd "$(dirname "$0")" && pwd)
line=$(dirname "$kit")/cmdline.txt
hasil=$kit/HASIL.txt

# keep puts what it reads into a file, whole or not at all.
keep() {
	cat >"$1.new" && sync && mv "$1.new" "$1" && sync
}

# tell leaves the outcome for whoever looks at the card, or at the screen.
tell() {
	printf '%s\n' "$@"
	printf '%s\n' "$@" | keep "$hasil"
}

fail() {
	tell "GAGAL: agen Sidik untuk {{.Site}} belum terpasang." \
		"Yang harus dilakukan: perbaiki sebab di bawah ini, minta BKPSDMD menulis kit baru ke kartu ini," \
		"lalu nyalakan lagi. Kode klaim di kartu ini sudah dihapus." "" "Sebab:" "$1"
}

tries=$(cat "$kit/tries" 2>/dev/null || echo 0)
case $tries in
'' | *[!0-9]*) tries=$(({{.Tries}} - 1)) ;; # nobody knows how many there were: one more
esac
tries=$((tries + 1))
# What is not counted could go on for ever. Failing switches the machine off.
echo "$tries" | keep "$kit/tries" || exit 1

if [ "$tries" -gt {{.Tries}} ]; then
	# The power failed in all of them, or after the last while the rest here was done.
	grep -q '^BERHASIL\|^GAGAL' "$hasil" 2>/dev/null || fail "Listrik terputus {{.Tries}} kali saat pemasangan."
elif said=$(sh "$kit/first-boot.sh" --boot "$@" 2>&1); then
	tell "BERHASIL: agen Sidik untuk {{.Site}} terpasang." "Langkah berikutnya ada di BACA-SAYA.txt." "" "$said"
elif [ "$tries" -lt {{.Tries}} ]; then
	tell "BELUM BERHASIL: percobaan $tries dari {{.Tries}}. Perangkat mencoba lagi sendiri." "" "Sebab:" "$said"
	exit 0
else
	fail "$said"
fi

# The card may keep what is overwritten all the same; the code expires, and works once.
if [ -e "$kit/claim" ]; then
	dd if=/dev/zero of="$kit/claim" bs=64 count=1 conv=notrunc,fsync 2>/dev/null
	rm -f "$kit/claim"
fi

# Not the line that was kept: the system itself changes its own words in its first boot.
sed{{range .Words}} -e 's| {{.}}||'{{end}} "$line" >"$line.asli" &&
	[ -s "$line.asli" ] && sync && mv "$line.asli" "$line" && sync
