#!/bin/sh
# Puts the agent of {{.Site}} in place. It may be repeated: what stands is left alone.
#
#   sudo sh first-boot.sh          on the machine itself
#   sudo sh first-boot.sh FOLDER   on a card that is mounted at FOLDER; nothing is started
#
# --boot before that: by boot.sh, which boots the machine afterwards; nothing is started.
set -eu
umask 077
kit=$(cd "$(dirname "$0")" && pwd)
start=yes
if [ "${1-}" = --boot ]; then
	start=
	shift
	export SYSTEMD_OFFLINE=1 # for what the package itself would start
fi
root=
if [ $# != 0 ]; then
	root=$(cd "$1" && pwd)
	start=
fi
etc=$root/etc/sidik
data=$root/var/lib/sidik-agent

stop() {
	echo "first-boot.sh: $*" >&2
	exit 1
}

[ "$(id -u)" = 0 ] || stop "jalankan dengan sudo: sudo sh $0"

placed=$(cat "$data/kit" 2>/dev/null || true)
if [ "$placed" != "{{.ID}}" ] && [ "$(date +%s)" -ge {{.Until.Unix}} ]; then
	stop "kit ini sudah kedaluwarsa sejak {{.Ends}}. Minta kit baru kepada BKPSDMD; tidak ada yang diubah di mesin ini."
fi
if [ "$placed" != "{{.ID}}" ] && [ ! -e "$kit/claim" ]; then
	stop "kode klaim kit ini sudah dihapus. Minta kit baru kepada BKPSDMD; tidak ada yang diubah di mesin ini."
fi
if [ -e "$etc/agent.toml" ] && ! grep -q '^site = "{{.Site}}"' "$etc/agent.toml"; then
	stop "mesin ini sudah dipasang untuk lokasi lain (lihat $etc/agent.toml). Hubungi BKPSDMD; tidak ada yang diubah."
fi

# ask FORMAT PACKAGE tells what is installed here, or on the card.
ask() {
	dpkg-query --admindir="$root/var/lib/dpkg" --show --showformat="$1" "$2"
}

# A card may be for another kind of machine than the one that it is mounted at.
install() {
	if [ -n "$root" ]; then
		dpkg --root="$root" --force-script-chrootless --force-architecture --install "$1"
	else
		dpkg --install "$1"
	fi
}

# The program, from the package for this kind of machine. A newer one that is here stays.
arch=$(ask '${Architecture}' dpkg)
package=
for file in "$kit"/sidik-agent_*_"$arch".deb; do
	[ ! -e "$file" ] || package=$file
done
if [ -n "$package" ]; then
	new=$(dpkg-deb --field "$package" Version)
	has=$(ask '${db:Status-Status} ${Version}' sidik-agent 2>/dev/null || true)
	case $has in
	"installed "*) dpkg --compare-versions "${has#installed }" ge "$new" || has= ;;
	*) has= ;;
	esac
	[ -n "$has" ] || (umask 022 && install "$package" >&2)
elif [ ! -x "$root/usr/bin/sidik-agent" ]; then
	stop "tidak ada paket sidik-agent untuk mesin jenis $arch di folder kit ini. Salin paketnya ke sini, lalu ulangi."
fi
owner=$(sed -n 's/^sidik-agent:[^:]*:\([0-9]*\):\([0-9]*\):.*/\1:\2/p' "$root/etc/passwd")
[ -n "$owner" ] || stop "pengguna sidik-agent belum ada; pasang ulang paket sidik-agent, lalu ulangi."

# place FROM TO MODE OWNER puts a file in place whole or not at all.
place() {
	cp "$1" "$2.new"
	chown "$4" "$2.new"
	chmod "$3" "$2.new"
	mv "$2.new" "$2"
}

fresh=
if [ "$placed" != "{{.ID}}" ]; then
	fresh=yes
	[ -d "$etc" ] || mkdir -m 0755 -p "$etc"
	mkdir -p "$data"
	chown "$owner" "$data"
	chmod 0700 "$data"
	# An agent that was here may know newer keys of the hub than this kit.
	[ -e "$data/keys.json" ] || place "$kit/keys.json" "$data/keys.json" 0600 "$owner"
	if [ -e "$etc/agent.toml" ] && ! cmp -s "$kit/agent.toml" "$etc/agent.toml"; then
		cp -p "$etc/agent.toml" "$etc/agent.toml.lama"
		echo "Konfigurasi sebelumnya disimpan di $etc/agent.toml.lama. Bila di dalamnya ada kunci komunikasi mesin, salin kembali."
	fi
	place "$kit/agent.toml" "$etc/agent.toml" 0640 "0:${owner#*:}"
	place "$kit/claim" "$data/claim" 0600 "$owner"
	sync
	echo "{{.ID}}" >"$data/kit.new"
	mv "$data/kit.new" "$data/kit"
	sync
fi

systemctl ${root:+--root="$root"} enable --quiet sidik-agent
if [ -n "$start" ]; then
	if [ -n "$fresh" ]; then systemctl restart sidik-agent; else systemctl start sidik-agent; fi
fi
echo "Selesai: agen untuk {{.Site}} terpasang."
