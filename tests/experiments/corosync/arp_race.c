/* Two halves of one race: is an address answered for before it is there, or after it is gone?
 *
 *   arp_race ask  IFACE ADDRESS OWN PERIOD_US SECONDS  asks for ADDRESS (ARP, or NS for IPv6); prints every answer
 *   arp_race hold IFACE ADDRESS CYCLES LFT_S STAY_MS   adds ADDRESS and deletes it after STAY_MS / 2 to STAY_MS; with LFT_S > 0 it is
 *                                                      added with that valid_lft and left to the kernel
 *
 * Times are CLOCK_REALTIME ns. `ask` prints the kernel's receive time. `hold` also taps its own interface and prints the kernel's
 * transmit time of each answer it gave, so that a delay between the two ends plays no part:
 *     ADD before after errno | DEL before after errno | GONE at (kernel's notification) | TX at | RX at mac asked_at
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int family, iface;
static unsigned char wanted[16], mac[6], own[16];
static size_t width;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char* what) {
  perror(what);
  exit(1);
}

static int packet_socket(void) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
  struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = iface};
  int on = 1, room = 8 << 20;
  if (fd < 0 || bind(fd, (struct sockaddr*)&where, sizeof where) != 0) die("packet socket");
  setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  return fd;
}

/* Whether the frame answers for `wanted`; the answerer's MAC. Gratuitous forms are not answers to us, but say the same: they count. */
static int is_answer(const unsigned char* f, size_t n, unsigned char* who) {
  if (family == AF_INET && n >= 42 && f[12] == 8 && f[13] == 6 && f[21] == 2 && memcmp(f + 28, wanted, 4) == 0) {
    memcpy(who, f + 22, 6);
    return 1;
  }
  if (family == AF_INET6 && n >= 78 && f[12] == 0x86 && f[13] == 0xdd && f[20] == 58 && f[54] == 136 && memcmp(f + 62, wanted, 16) == 0) {
    memcpy(who, f + 6, 6);
    return 1;
  }
  return 0;
}

static uint64_t stamp_of(struct msghdr* m) {
  for (struct cmsghdr* c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
      struct timespec t;
      memcpy(&t, CMSG_DATA(c), sizeof t);
      return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    }
  return 0;
}

/* One frame, without waiting. Returns 1 for an answer, 0 for another frame, -1 for none. */
static int take(int fd, int outgoing, uint64_t* at, unsigned char* who) {
  unsigned char frame[256], control[256];
  struct sockaddr_ll from;
  struct iovec part = {frame, sizeof frame};
  struct msghdr m = {.msg_name = &from,
                     .msg_namelen = sizeof from,
                     .msg_iov = &part,
                     .msg_iovlen = 1,
                     .msg_control = control,
                     .msg_controllen = sizeof control};
  ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);
  if (n < 0) return -1;
  if ((from.sll_pkttype == PACKET_OUTGOING) != outgoing) return 0;
  *at = stamp_of(&m);
  return is_answer(frame, (size_t)n, who);
}

static uint16_t sum16(const unsigned char* p, size_t n, uint32_t sum) {
  for (size_t i = 0; i + 1 < n; i += 2) sum += (uint32_t)(p[i] << 8 | p[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)sum;
}

static size_t build_question(unsigned char* f) {
  memset(f, 0, 128);
  memcpy(f + 6, mac, 6);
  if (family == AF_INET) {
    memset(f, 0xff, 6);
    static const unsigned char head[] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 1};
    memcpy(f + 12, head, sizeof head);
    memcpy(f + 22, mac, 6);
    memcpy(f + 28, own, 4);
    memcpy(f + 38, wanted, 4);
    return 42;
  }
  unsigned char *ip = f + 14, *icmp = f + 54;
  static const unsigned char group[13] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  f[12] = 0x86, f[13] = 0xdd;
  ip[0] = 0x60, ip[5] = 32, ip[6] = 58, ip[7] = 255;
  memcpy(ip + 8, own, 16);
  memcpy(ip + 24, group, 13);
  memcpy(ip + 37, wanted + 13, 3);
  f[0] = f[1] = 0x33;
  memcpy(f + 2, ip + 36, 4);
  icmp[0] = 135;
  memcpy(icmp + 8, wanted, 16);
  icmp[24] = icmp[25] = 1;
  memcpy(icmp + 26, mac, 6);
  uint16_t sum = (uint16_t)~sum16(icmp, 32, sum16(ip + 8, 32, 32 + 58));
  icmp[2] = (unsigned char)(sum >> 8), icmp[3] = (unsigned char)sum;
  return 86;
}

static int ask(const char* own_text, unsigned period_us, double seconds) {
  if (inet_pton(family, own_text, own) != 1) die("own address");
  int fd = packet_socket(), timer = timerfd_create(CLOCK_MONOTONIC, 0);
  struct itimerspec each = {{0, period_us * 1000L}, {0, period_us * 1000L}};
  timerfd_settime(timer, 0, &each, NULL);
  unsigned char frame[128], who[6];
  size_t size = build_question(frame);
  uint64_t end = now_ns() + (uint64_t)(seconds * 1e9), asked = 0, at = 0, times, count = 0;
  struct pollfd fds[2] = {{fd, POLLIN, 0}, {timer, POLLIN, 0}};
  while (now_ns() < end) {
    poll(fds, 2, 100);
    if (fds[1].revents && read(timer, &times, sizeof times) > 0) {
      asked = now_ns();
      count++;
      if (send(fd, frame, size, 0) < 0 && errno != ENETDOWN && errno != ENOBUFS) die("send");
    }
    for (int got; (got = take(fd, 0, &at, who)) >= 0;)
      if (got)
        printf("RX %" PRIu64 " %02x:%02x:%02x:%02x:%02x:%02x %" PRIu64 "\n", at, who[0], who[1], who[2], who[3], who[4], who[5], asked);
  }
  printf("ASKED %" PRIu64 "\n", count);
  return 0;
}

static int netlink(unsigned groups) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  struct sockaddr_nl self = {.nl_family = AF_NETLINK, .nl_groups = groups};
  if (fd < 0 || bind(fd, (struct sockaddr*)&self, sizeof self) != 0) die("netlink");
  return fd;
}

/* RTM_NEWADDR or RTM_DELADDR with its answer. Returns errno of the kernel. */
static int change(int fd, int type, unsigned lft, uint64_t* before, uint64_t* after) {
  struct {
    struct nlmsghdr h;
    struct ifaddrmsg a;
    char attributes[128];
  } r = {.h = {.nlmsg_type = (uint16_t)type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
         .a = {.ifa_family = (uint8_t)family, .ifa_prefixlen = family == AF_INET ? 16 : 64, .ifa_index = (unsigned)iface}};
  r.h.nlmsg_len = NLMSG_LENGTH(sizeof r.a);
  if (type == RTM_NEWADDR) r.h.nlmsg_flags |= NLM_F_CREATE | NLM_F_REPLACE;
  for (int kind = IFA_ADDRESS; kind <= IFA_LOCAL; kind++) {
    struct rtattr* a = (struct rtattr*)((char*)&r + r.h.nlmsg_len);
    a->rta_type = (uint16_t)kind;
    a->rta_len = (uint16_t)RTA_LENGTH(width);
    memcpy(RTA_DATA(a), wanted, width);
    r.h.nlmsg_len += RTA_ALIGN(a->rta_len);
  }
  if (type == RTM_NEWADDR) {
    struct ifa_cacheinfo life = {.ifa_prefered = family == AF_INET ? (lft ? lft : 0xffffffffu) : 0, .ifa_valid = lft ? lft : 0xffffffffu};
    struct rtattr* a = (struct rtattr*)((char*)&r + r.h.nlmsg_len);
    a->rta_type = IFA_CACHEINFO;
    a->rta_len = RTA_LENGTH(sizeof life);
    memcpy(RTA_DATA(a), &life, sizeof life);
    r.h.nlmsg_len += RTA_ALIGN(a->rta_len);
    uint32_t flags = IFA_F_NODAD | IFA_F_NOPREFIXROUTE;
    a = (struct rtattr*)((char*)&r + r.h.nlmsg_len);
    a->rta_type = IFA_FLAGS;
    a->rta_len = RTA_LENGTH(sizeof flags);
    memcpy(RTA_DATA(a), &flags, sizeof flags);
    r.h.nlmsg_len += RTA_ALIGN(a->rta_len);
  }
  char answer[1024];
  *before = now_ns();
  if (send(fd, &r, r.h.nlmsg_len, 0) < 0 || recv(fd, answer, sizeof answer, 0) < 0) die("netlink answer");
  *after = now_ns();
  return -((struct nlmsgerr*)NLMSG_DATA((struct nlmsghdr*)answer))->error;
}

/* Waits until the kernel says that it removed the address by itself. */
static uint64_t wait_gone(int fd) {
  char bytes[4096];
  for (;;) {
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    uint64_t at = now_ns();
    for (struct nlmsghdr* h = (struct nlmsghdr*)bytes; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
      struct ifaddrmsg* a = NLMSG_DATA(h);
      if (h->nlmsg_type != RTM_DELADDR || a->ifa_index != (unsigned)iface) continue;
      int left = (int)IFA_PAYLOAD(h);
      for (struct rtattr* r = IFA_RTA(a); RTA_OK(r, left); r = RTA_NEXT(r, left))
        if (r->rta_type == IFA_ADDRESS && memcmp(RTA_DATA(r), wanted, width) == 0) return at;
    }
  }
}

static void drain(int tap) {
  uint64_t at = 0;
  unsigned char who[6];
  for (int got; (got = take(tap, 1, &at, who)) >= 0;)
    if (got) printf("TX %" PRIu64 "\n", at);
}

static void doze(double ms) {
  struct timespec t = {.tv_sec = (time_t)(ms / 1e3), .tv_nsec = (long)(ms * 1e6) % 1000000000L};
  nanosleep(&t, NULL); /* tidy: the random phase is what is measured */
}

static int hold(int cycles, unsigned lft, double stay_ms) {
  int tap = packet_socket(), requests = netlink(0), news = netlink(RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
  uint64_t before, after;
  for (int i = 0; i < cycles; i++) {
    int error = change(requests, RTM_NEWADDR, lft, &before, &after);
    printf("ADD %" PRIu64 " %" PRIu64 " %d\n", before, after, error);
    if (error) return 1;
    if (lft) {
      printf("GONE %" PRIu64 "\n", wait_gone(news));
    } else {
      doze(stay_ms / 2 * (1 + drand48()));
      error = change(requests, RTM_DELADDR, 0, &before, &after);
      printf("DEL %" PRIu64 " %" PRIu64 " %d\n", before, after, error);
    }
    doze(20 + drand48() * 20);
    drain(tap);
    fflush(stdout);
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc < 6) return 2;
  family = strchr(argv[3], ':') ? AF_INET6 : AF_INET;
  width = family == AF_INET ? 4 : 16;
  iface = (int)if_nametoindex(argv[2]);
  if (!iface || inet_pton(family, argv[3], wanted) != 1) die("interface or address");
  struct ifreq request = {0};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", argv[2]);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (ioctl(fd, SIOCGIFHWADDR, &request) == 0) memcpy(mac, request.ifr_hwaddr.sa_data, 6);
  struct sched_param param = {.sched_priority = 1};
  sched_setscheduler(0, SCHED_RR, &param);
  srand48(getpid());
  if (strcmp(argv[1], "ask") == 0 && argc == 7) return ask(argv[4], (unsigned)atoi(argv[5]), atof(argv[6]));
  return argc == 7 ? hold(atoi(argv[4]), (unsigned)atoi(argv[5]), atof(argv[6])) : 2;
}
