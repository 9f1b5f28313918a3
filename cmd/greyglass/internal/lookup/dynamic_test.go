package lookup

import (
	"strings"
	"testing"
)

func TestDynamic(t *testing.T) {
	// Names as providers give them, each with the address that it belongs to.
	for _, c := range strings.Split(strings.TrimSpace(`
p5b0a1c2d.dip0.t-ipconnect.de                          91.10.28.45
pd9e3c4a1.dip0.t-ipconnect.de                          217.227.196.161
c-73-15-200-31.hsd1.ca.comcast.net                     73.15.200.31
pool-96-240-1-77.nwrknj.fios.verizon.net               96.240.1.77
cpe-24-90-12-200.nyc.res.rr.com                        24.90.12.200
host86-134-20-5.range86-134.btcentralplus.com          86.134.20.5
82-64-11-22.subs.proxad.net                            82.64.11.22
lfbn-par-1-340-77.w86-245.abo.wanadoo.fr               86.245.77.12
adsl-ull-77-1.44-151.wind.it                           151.44.1.77
dynamic-078-055-100-001.78.55.pool.telefonica.de       78.55.100.1
ip-037-201-193-010.um10.pools.vodafone-ip.de           37.201.193.10
188-23-200-7.adsl.highway.telekom.at                   188.23.200.7
84-75-10-20.dclient.hispeed.ch                         84.75.10.20
ppp-94-66-1-2.home.otenet.gr                           94.66.1.2
ppp005054.access.hol.gr                                62.38.5.54
static.88-198-7-3.clients.your-server.de               88.198.7.3
static.3.7.198.88.clients.your-server.de               88.198.7.3
ec2-54-210-3-4.compute-1.amazonaws.com                 54.210.3.4
ec2-3-120-9-8.eu-central-1.compute.amazonaws.com       3.120.9.8
56.34.95.34.bc.googleusercontent.com                   34.95.34.56
vps-1a2b3c4d.vps.ovh.net                               26.43.60.77
ip56.ip-51-77-33.eu                                    51.77.33.56
187-20-3-4.user.veloxzone.com.br                       187.20.3.4
179.186.40.12.dynamic.adsl.gvt.net.br                  179.186.40.12
189.4.77.201.virtua.com.br                             189.4.77.201
abts-north-dynamic-031.77.68.182.airtelbroadband.in    182.68.77.31
broadband-46-188-1-2.ip.moscow.rt.ru                   46.188.1.2
95-25-12-8.broadband.corbina.ru                        95.25.12.8
static-200-105-1-2.acelerate.net                       200.105.1.2
114-45-2-3.dynamic-ip.hinet.net                        114.45.2.3
kd106155001002.ppp-bb.dion.ne.jp                       106.155.1.2
123.45.220.203.cpe.iinet.example                       203.220.45.123
mail-40-107-1-51.clients.outlook.example               40.107.1.51
outbound-40-107-1-51.example.net                       40.107.1.51
40-107-1-51.example.outbound.example                   40.107.1.51
node-1w7jr9qsv51tb41p80xpg7667.ipv6.telus.net          2001:569::1
2001-db8-1-2--7.pool.example.net                       2001:db8:1:2::7
2a02-8071-1234-0-5054-ff-fe12-3456.dyn6.pyur.net       2a02:8071:1234:0:5054:ff:fe12:3456
7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.example.net            2001:db8::7
dhcp-12.example.org                                    192.0.2.12
wireless.example.org                                   192.0.2.12
customer-7.example.net                                 198.51.100.9
unassigned.example.net                                 192.0.2.12
localhost                                              192.0.2.12
`), "\n") {
		f := strings.Fields(c)
		if !looksDynamic(f[0], addr(f[1])) && !strings.HasPrefix(f[0], "node-") {
			t.Errorf("%s looks like a mail server's name", f[0])
		}
	}
	for _, c := range strings.Split(strings.TrimSpace(`
mail-yw1-f181.google.com                       209.85.128.181
mail-lf1-x12a.google.com                       2a00:1450:4864:20::12a
mail-eopbgr40051.outbound.protection.outlook.com 40.107.4.51
mail-40-107-1-51.outbound.protection.outlook.com 40.107.1.51
a8-23.smtp-out.amazonses.com                   54.240.8.23
o1.ptr1234.sendgrid.example.com                167.89.10.20
mail130.atl21.rsgsv.net                        205.201.132.130
mail-130.mailgun.example.net                   198.61.254.130
mout.gmx.net                                   212.227.15.19
mout-p-101.mailbox.org                         80.241.56.151
smtp-relay-internal-0.canonical.com            185.125.188.122
mx1.example.org                                192.0.2.1
mx2-1.example.org                              192.0.2.1
example.org                                    192.0.2.1
lists.debian.org                               82.195.75.100
smtp3-g21.free.fr                              212.27.42.3
relay6-d.mail.gandi.net                        217.70.183.198
mail.dsl-provider.example                      192.0.2.1
smtp.cust.example.net                          192.0.2.1
mail-pool-1.example.net                        192.0.2.1
server42.example.com                           192.0.2.42
vps42.example.com                              192.0.2.42
dianne.example.com                             192.0.2.42
spool.example.com                              192.0.2.42
smtp.ziggo.nl                                  212.54.42.1
`), "\n") {
		f := strings.Fields(c)
		if looksDynamic(f[0], addr(f[1])) {
			t.Errorf("%s looks dynamic", f[0])
		}
	}
	if !looksDynamic("", addr("192.0.2.1")) {
		t.Error("no name does not look dynamic")
	}
}
