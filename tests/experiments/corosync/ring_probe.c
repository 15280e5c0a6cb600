/* One client of one Corosync node. Writes what it is told, as it is told it, one line per event:
 *
 *     <CLOCK_MONOTONIC ns> <turn of its loop> <event> key=value ...
 *
 * All nodes of a lab share one kernel and so one clock: lines of several probes can be compared.
 * Rings are written rep.seq. It opens three handles (cpg model v1, quorum model v1, votequorum), joins one group, beats, and
 * acknowledges each beat that asks for it on delivery. A message carries the send time and the rings its sender knew.
 *
 * Not production code: no limits, exits on what it does not expect.
 */
#define _GNU_SOURCE
#include <corosync/corotypes.h>
#include <corosync/cpg.h>
#include <corosync/quorum.h>
#include <corosync/votequorum.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { kBeat = 1, kAck = 2, kPendingMax = 4096, kMessageMax = 65536 };

struct message {
  uint32_t type, from;
  uint64_t seq;     /* of the beat */
  uint64_t send_ns; /* when its sender first tried to send it */
  uint64_t beat_ns; /* an acknowledgement: send_ns of the beat */
  uint32_t beat_from, want_ack;
  uint64_t totem_seq, quorum_seq; /* rings the sender knew */
};

static struct {
  int beat_ms, ack, reconnect, flow, quiet;
  size_t size;
  const char* child;
} opt = {.size = sizeof(struct message)};

static cpg_handle_t cpg;
static quorum_handle_t quorum;
static votequorum_handle_t votes;
static struct pollfd fds[4];
enum { kCpgFd, kQuorumFd, kVotesFd, kTimerFd };

static uint32_t node;
static uint64_t turn, beat_seq;
static uint64_t totem_seq, quorum_seq;
static struct message pending[kPendingMax];
static unsigned pending_count;
static uint64_t refused_since;
static unsigned refusals;
static int flow_last = -1;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

__attribute__((format(printf, 2, 3))) static void say(const char* event, const char* format, ...) {
  va_list args;
  va_start(args, format);
  printf("%" PRIu64 " %" PRIu64 " %s ", now_ns(), turn, event);
  vprintf(format, args);
  putchar('\n');
  va_end(args);
}

static const char* list(const uint32_t* ids, size_t count) {
  static char texts[4][256];
  static unsigned next;
  char* text = texts[next++ % 4];
  size_t used = 0;
  text[0] = '-';
  text[1] = 0;
  for (size_t i = 0; i < count; i++) used += (size_t)snprintf(text + used, 256 - used, i ? ",%u" : "%u", ids[i]);
  return text;
}

static const char* addresses(const struct cpg_address* them, size_t count) {
  static char texts[4][512];
  static unsigned next;
  char* text = texts[next++ % 4];
  size_t used = 0;
  text[0] = '-';
  text[1] = 0;
  for (size_t i = 0; i < count; i++)
    used += (size_t)snprintf(text + used, 512 - used, i ? ",%u/%u/%u" : "%u/%u/%u", them[i].nodeid, them[i].pid, them[i].reason);
  return text;
}

static cs_error_t mcast(const struct message* m) {
  static char bytes[kMessageMax];
  memcpy(bytes, m, sizeof *m);
  struct iovec part = {.iov_base = bytes, .iov_len = opt.size};
  return cpg_mcast_joined(cpg, CPG_TYPE_AGREED, &part, 1);
}

static void note_flow(void) {
  cpg_flow_control_state_t state;
  if (!opt.flow || cpg_flow_control_state_get(cpg, &state) != CS_OK || (int)state == flow_last) return;
  flow_last = (int)state;
  say("FLOW", "enabled=%d", flow_last);
}

/* Sends what waits, oldest first. CS_ERR_TRY_AGAIN keeps it and everything behind it. */
static void flush_pending(void) {
  unsigned sent = 0;
  while (sent < pending_count) {
    note_flow();
    uint64_t before = now_ns();
    cs_error_t rc = mcast(&pending[sent]);
    uint64_t took = now_ns() - before;
    if (took > 5000000u) say("SLOWSEND", "ns=%" PRIu64 " rc=%d", took, rc);
    if (rc == CS_ERR_TRY_AGAIN) {
      if (!refused_since) {
        refused_since = now_ns();
        say("REFUSED", "type=%u seq=%" PRIu64, pending[sent].type, pending[sent].seq);
      }
      refusals++;
      break;
    }
    if (rc != CS_OK) {
      say("SENDFAIL", "rc=%d", rc);
      break;
    }
    if (refused_since) {
      say("ACCEPTED", "after_ns=%" PRIu64 " tries=%u waiting=%u", now_ns() - refused_since, refusals, pending_count);
      refused_since = 0;
      refusals = 0;
    }
    sent++;
  }
  memmove(pending, pending + sent, (pending_count - sent) * sizeof *pending);
  pending_count -= sent;
}

static void send_message(struct message m) {
  m.from = node;
  m.send_ns = now_ns();
  m.totem_seq = totem_seq;
  m.quorum_seq = quorum_seq;
  if (pending_count == kPendingMax) {
    say("FULL", "dropped=1");
    return;
  }
  pending[pending_count++] = m;
  flush_pending();
}

static void on_message(cpg_handle_t h, const struct cpg_name* g, uint32_t from, uint32_t pid, void* bytes, size_t length) {
  (void)h, (void)g, (void)pid;
  struct message m;
  if (length < sizeof m) return;
  memcpy(&m, bytes, sizeof m);
  if (!opt.quiet)
    say("MSG",
        "type=%u from=%u seq=%" PRIu64 " sent=%" PRIu64 " beat_from=%u beat=%" PRIu64 " totem=%" PRIu64 " quorum=%" PRIu64
        " my_totem=%" PRIu64 " my_quorum=%" PRIu64,
        m.type, from, m.seq, m.send_ns, m.beat_from, m.beat_ns, m.totem_seq, m.quorum_seq, totem_seq, quorum_seq);
  if (m.type == kBeat && m.want_ack && opt.ack)
    send_message((struct message){.type = kAck, .seq = m.seq, .beat_ns = m.send_ns, .beat_from = from});
}

static void on_members(cpg_handle_t h, const struct cpg_name* g, const struct cpg_address* members, size_t member_count,
                       const struct cpg_address* left, size_t left_count, const struct cpg_address* joined, size_t joined_count) {
  (void)h, (void)g;
  say("CONF", "members=%s left=%s joined=%s", addresses(members, member_count), addresses(left, left_count),
      addresses(joined, joined_count));
}

static void on_totem(cpg_handle_t h, struct cpg_ring_id ring, uint32_t count, const uint32_t* members) {
  (void)h;
  totem_seq = ring.seq;
  say("TOTEM", "ring=%u.%" PRIu64 " members=%s", ring.nodeid, ring.seq, list(members, count));
}

static void on_quorum(quorum_handle_t h, uint32_t quorate, struct quorum_ring_id ring, uint32_t count, const uint32_t* members) {
  (void)h;
  quorum_seq = ring.seq;
  say("QUORUM", "ring=%u.%" PRIu64 " quorate=%u members=%s", ring.nodeid, ring.seq, quorate, list(members, count));
  /* R4: after a change of view a holder beats at once. */
  if (opt.beat_ms) send_message((struct message){.type = kBeat, .seq = ++beat_seq, .want_ack = 1});
}

static void on_nodes(quorum_handle_t h, struct quorum_ring_id ring, uint32_t count, const uint32_t* members, uint32_t joined_count,
                     const uint32_t* joined, uint32_t left_count, const uint32_t* left) {
  (void)h;
  say("NODES", "ring=%u.%" PRIu64 " members=%s joined=%s left=%s", ring.nodeid, ring.seq, list(members, count), list(joined, joined_count),
      list(left, left_count));
}

static void on_votes(votequorum_handle_t h, uint64_t context, uint32_t quorate, uint32_t count, votequorum_node_t nodes[]) {
  (void)h, (void)context;
  uint32_t ids[64], up = 0;
  for (uint32_t i = 0; i < count && i < 64; i++)
    if (nodes[i].state == VOTEQUORUM_NODESTATE_MEMBER) ids[up++] = nodes[i].nodeid;
  say("VQUORUM", "quorate=%u members=%s", quorate, list(ids, up));
}

static void on_vote_nodes(votequorum_handle_t h, uint64_t context, votequorum_ring_id_t ring, uint32_t count, uint32_t nodes[]) {
  (void)h, (void)context;
  say("VNODES", "ring=%u.%" PRIu64 " members=%s", ring.nodeid, ring.seq, list(nodes, count));
}

static int failed(const char* what, cs_error_t rc, int loud) {
  if (rc == CS_OK) return 0;
  if (loud) say("FAILED", "call=%s rc=%d", what, rc);
  return 1;
}

/* Opens all handles and joins. Returns what failed, or NULL. */
static const char* connect_all(int loud) {
  cpg_model_v1_data_t model = {.model = CPG_MODEL_V1,
                               .cpg_deliver_fn = on_message,
                               .cpg_confchg_fn = on_members,
                               .cpg_totem_confchg_fn = on_totem,
                               .flags = CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF};
  quorum_model_v1_data_t quorum_model = {.model = QUORUM_MODEL_V1, .quorum_notify_fn = on_quorum, .nodelist_notify_fn = on_nodes};
  votequorum_callbacks_t vote_calls = {.votequorum_quorum_notify_fn = on_votes, .votequorum_nodelist_notify_fn = on_vote_nodes};
  struct cpg_name group = {.length = 8, .value = "fairlead"};
  uint32_t type;
  fds[kTimerFd].fd = fds[kTimerFd].fd > 0 ? fds[kTimerFd].fd : timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  cs_error_t rc = cpg_model_initialize(&cpg, CPG_MODEL_V1, (cpg_model_data_t*)&model, NULL);
  if (failed("cpg_model_initialize", rc, loud)) return "cpg_model_initialize";
  if (failed("cpg_local_get", cpg_local_get(cpg, &node), loud)) return "cpg_local_get";
  if (failed("quorum_model_initialize", quorum_model_initialize(&quorum, QUORUM_MODEL_V1, (quorum_model_data_t*)&quorum_model, &type, NULL),
             loud))
    return "quorum_model_initialize";
  if (failed("votequorum_initialize", votequorum_initialize(&votes, &vote_calls), loud)) return "votequorum_initialize";
  if (failed("cpg_join", cpg_join(cpg, &group), loud)) return "cpg_join";
  if (failed("quorum_trackstart", quorum_trackstart(quorum, CS_TRACK_CHANGES | CS_TRACK_CURRENT), loud)) return "quorum_trackstart";
  if (failed("votequorum_trackstart", votequorum_trackstart(votes, 0, CS_TRACK_CHANGES | CS_TRACK_CURRENT), loud))
    return "votequorum_trackstart";
  cpg_fd_get(cpg, &fds[kCpgFd].fd);
  quorum_fd_get(quorum, &fds[kQuorumFd].fd);
  votequorum_fd_get(votes, &fds[kVotesFd].fd);
  for (int i = 0; i < 4; i++) fds[i].events = POLLIN;
  return NULL;
}

static void disconnect_all(void) {
  uint64_t t0 = now_ns();
  cs_error_t a = cpg ? cpg_finalize(cpg) : 0;
  uint64_t t1 = now_ns();
  cs_error_t b = quorum ? quorum_finalize(quorum) : 0;
  uint64_t t2 = now_ns();
  cs_error_t c = votes ? votequorum_finalize(votes) : 0;
  say("FINALIZED", "cpg=%d quorum=%d votes=%d cpg_ns=%" PRIu64 " quorum_ns=%" PRIu64 " votes_ns=%" PRIu64, a, b, c, t1 - t0, t2 - t1,
      now_ns() - t2);
  cpg = quorum = votes = 0;
}

/* Tries to come back each 5 ms, as long as it takes; notes what each call answered until then. */
static void reconnect(void) {
  uint64_t start = now_ns(), tries = 0;
  const char* last = "";
  for (;;) {
    uint64_t before = now_ns();
    const char* what = connect_all(0);
    uint64_t took = now_ns() - before;
    tries++;
    if (!what) break;
    if (strcmp(what, last) != 0 || took > 50000000u) {
      say("NOTYET", "call=%s took_ns=%" PRIu64 " after_ns=%" PRIu64, what, took, now_ns() - start);
      last = what;
    }
    if (cpg) cpg_finalize(cpg);
    if (quorum) quorum_finalize(quorum);
    if (votes) votequorum_finalize(votes);
    cpg = quorum = votes = 0;
    poll(NULL, 0, 5);
  }
  say("RECONNECTED", "after_ns=%" PRIu64 " tries=%" PRIu64, now_ns() - start, tries);
}

static void show_descriptors(void) {
  char path[64], line[256], target[256];
  for (int fd = 3; fd < 64; fd++) {
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0) continue;
    target[n] = 0;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    FILE* info = fopen(path, "re");
    unsigned flags = 0;
    while (info && fgets(line, sizeof line, info)) sscanf(line, "flags: %o", &flags);
    if (info) fclose(info);
    say("FD", "fd=%d cloexec=%d target=%s", fd, (flags & 02000000) != 0, target);
  }
  unsigned maps = 0, shm = 0;
  FILE* file = fopen("/proc/self/maps", "re");
  while (file && fgets(line, sizeof line, file)) {
    maps++;
    shm += strstr(line, "/dev/shm/") != NULL;
  }
  if (file) fclose(file);
  say("MAPS", "all=%u of_shm=%u", maps, shm);
}

/* A child that outlives us: `fork` keeps all, `exec` what close-on-exec leaves, `exec-all` everything, `close` closes by hand. */
static void start_child(void) {
  show_descriptors();
  fflush(stdout);
  pid_t pid = fork();
  if (pid) {
    say("CHILD", "pid=%d mode=%s", (int)pid, opt.child);
    return;
  }
  if (strcmp(opt.child, "exec-all") == 0 || strcmp(opt.child, "close") == 0)
    for (int fd = 3; fd < 64; fd++) {
      if (strcmp(opt.child, "close") == 0)
        close(fd);
      else if (dup2(fd, fd + 64) >= 0) { /* a copy has close-on-exec off */
      }
    }
  if (strncmp(opt.child, "exec", 4) == 0) execlp("sleep", "sleep", "60", (char*)NULL);
  for (;;) pause();
}

static void dispatch(int which) {
  cs_error_t rc = which == kCpgFd      ? cpg_dispatch(cpg, CS_DISPATCH_ONE_NONBLOCKING)
                  : which == kQuorumFd ? quorum_dispatch(quorum, CS_DISPATCH_ONE_NONBLOCKING)
                                       : votequorum_dispatch(votes, CS_DISPATCH_ONE_NONBLOCKING);
  if (rc == CS_OK || rc == CS_ERR_TRY_AGAIN) return;
  static const char* const names[] = {"cpg", "quorum", "votes"};
  say("DISPATCHFAIL", "handle=%s rc=%d revents=%d", names[which], rc, fds[which].revents);
  struct message m = {.type = kBeat};
  say("AFTERFAIL", "mcast=%d", mcast(&m));
  disconnect_all();
  if (!opt.reconnect) exit(3);
  pending_count = 0;
  reconnect();
}

int main(int argc, char** argv) {
  for (int c; (c = getopt(argc, argv, "b:as:c:rqfR")) != -1;) {
    if (c == 'b') opt.beat_ms = atoi(optarg);
    if (c == 'a') opt.ack = 1;
    if (c == 's') opt.size = (size_t)atoi(optarg) > sizeof(struct message) ? (size_t)atoi(optarg) : sizeof(struct message);
    if (c == 'c') opt.child = optarg;
    if (c == 'r') opt.reconnect = 1;
    if (c == 'q') opt.quiet = 1;
    if (c == 'f') opt.flow = 1;
    if (c == 'R') {
      struct sched_param param = {.sched_priority = 1};
      if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param) != 0) say("NORT", "errno=%d", errno);
      if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) say("NOLOCK", "errno=%d", errno);
    }
  }
  setvbuf(stdout, NULL, _IOFBF, 1 << 20);
  signal(SIGPIPE, SIG_IGN);
  reconnect();
  say("READY", "node=%u", node);
  struct timespec period = {.tv_sec = opt.beat_ms / 1000, .tv_nsec = opt.beat_ms % 1000 * 1000000L};
  struct itimerspec beats = {.it_interval = period, .it_value = period};
  timerfd_settime(fds[kTimerFd].fd, 0, &beats, NULL);
  if (opt.child) start_child();
  for (;;) {
    fflush(stdout);
    if (poll(fds, 4, pending_count ? 1 : -1) < 0 && errno != EINTR) return 1;
    turn++;
    uint64_t expired;
    if ((fds[kTimerFd].revents & POLLIN) && read(fds[kTimerFd].fd, &expired, sizeof expired) > 0) {
      if (!opt.quiet && expired > 1) say("LATE", "beats=%" PRIu64, expired - 1);
      send_message((struct message){.type = kBeat, .seq = ++beat_seq, .want_ack = 1});
    }
    for (int i = kCpgFd; i <= kVotesFd; i++) {
      if (fds[i].revents & ~POLLIN) say("HANGUP", "fd=%d revents=%d", i, fds[i].revents);
      if (fds[i].revents) dispatch(i);
    }
    if (pending_count) flush_pending();
  }
}
