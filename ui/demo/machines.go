package demo

// machines are the hosts of the segment: address, VLAN, and behind whom each is; "-" is this node's bridge.
// Three numbers more: from which step on it is awake, for how long, and after how many steps again.
//
// At the start 40 of them are known, which with this node's own address makes 41. Those with a local
// address are phones that give themselves a new one wherever they go.
const machines = `
52:54:00:7a:10:01  0 -
52:54:00:7a:10:02  0 -
52:54:00:7a:10:03 20 -
bc:24:11:3e:90:1a  0 -
bc:24:11:3e:90:1b  0 -
bc:24:11:8d:07:4c 20 -
02:42:ac:11:00:02  0 -
a0:36:9f:21:d4:08  0 -
f4:92:bf:aa:00:10  0 -
78:8a:20:46:1e:c2  0 -
00:17:88:6b:a3:f1 30 -
24:0a:c4:59:72:e8 30 -
5c:cf:7f:0d:b6:33 30 -   -120 260 840
5c:aa:fd:11:86:90  0 -
3c:22:fb:9a:40:17  0 -   -200 420 980
f0:18:98:5a:b0:0c  0 -

52:54:00:1a:22:01  0 nas
00:11:32:7c:10:5e  0 nas
00:11:32:7c:10:5f  0 nas
52:54:00:9c:11:02 20 nas
52:54:00:9c:11:03 20 nas
52:54:00:9c:11:04 20 nas
70:85:c2:d1:90:aa  0 nas
d8:3a:dd:01:7c:33  0 nas
9c:8e:cd:22:5b:06 30 nas

ac:1f:6b:80:e2:14  0 lab-rack
ac:1f:6b:80:e2:15 20 lab-rack
0c:c4:7a:33:91:5d  0 lab-rack
48:a9:8a:c0:04:71  0 lab-rack
18:66:da:4f:20:b9 20 lab-rack
68:05:ca:97:3b:44 20 lab-rack

b8:27:eb:55:12:90  0 office
3c:d9:2b:60:77:1d  0 office
a4:bb:6d:5e:83:20  0 office
50:c7:bf:18:c6:4a  0 office   -560 300 1150

2c:cf:67:0a:41:7e  0 pi-attic
84:f3:eb:72:0e:95 30 pi-attic
ec:71:db:30:f8:12 30 pi-attic

00:16:3e:4b:d2:06  0 vps-fra
52:54:00:e0:5a:31  0 vps-fra

94:c6:91:a7:3d:58  0 laptop
da:a1:19:6e:20:c7  0 -        12 50 540
4e:0f:83:d5:91:2b  0 office   64 90 700
`
