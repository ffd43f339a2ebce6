/* Socket calls that fail when told to.
 *
 * The dynamic linker loads this before libc (LD_PRELOAD), so that every socket
 * call of a program goes through the functions below: the program itself is
 * the one that people run, and has no such thing in it.
 *
 *   FAULTS=recv:3:EINTR     the third recv fails with EINTR; short: takes or
 *                           gives one byte. Several are separated by commas.
 *   FAULTS_LOG=FILE         a line for each call: its name, its number among
 *                           those of its name, and its fault or "-".
 *
 * A fault is what a kernel could do. A recv that says EAGAIN while bytes wait
 * is followed by the edge that tells epoll of them; a connect that a signal
 * ends goes on behind the program's back; a close that fails has closed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum call {
    SOCKET, SETSOCKOPT, GETSOCKOPT, GETSOCKNAME, BIND, LISTEN, ACCEPT, CONNECT, SEND, RECV, SENDTO, RECVFROM,
    SENDMSG, RECVMSG, RECVMMSG, SENDFILE, GETPEERNAME, SHUTDOWN, CLOSE, EPOLL_CREATE, EPOLL_CTL, EPOLL_WAIT, EVENTFD, SPAWN, CALLS
};

static const char *const NAMES[CALLS] = {
    "socket", "setsockopt", "getsockopt", "getsockname", "bind", "listen", "accept", "connect", "send", "recv",
    "sendto", "recvfrom", "sendmsg", "recvmsg", "recvmmsg", "sendfile", "getpeername", "shutdown", "close", "epoll_create", "epoll_ctl", "epoll_wait",
    "eventfd", "spawn",
};

static const struct { const char *name; int number; } ERRORS[] = {
    {"EINTR", EINTR}, {"EAGAIN", EAGAIN}, {"EMFILE", EMFILE}, {"ENFILE", ENFILE}, {"ENOBUFS", ENOBUFS},
    {"ENOMEM", ENOMEM}, {"ENOSPC", ENOSPC}, {"EPROTO", EPROTO}, {"EPERM", EPERM}, {"EPIPE", EPIPE},
    {"ECONNABORTED", ECONNABORTED}, {"ECONNRESET", ECONNRESET}, {"ECONNREFUSED", ECONNREFUSED},
    {"ENOTCONN", ENOTCONN}, {"EADDRINUSE", EADDRINUSE}, {"EADDRNOTAVAIL", EADDRNOTAVAIL}, {"ETIMEDOUT", ETIMEDOUT},
};

#define SHORT (-1)
#define MOST_FAULTS 64
#define MOST_DESCRIPTORS 65536

static struct { enum call call; unsigned long number; int fault; } plan[MOST_FAULTS];
static int planned;
static atomic_ulong made[CALLS];
static const char *log_path;
static struct { atomic_int epoll; struct epoll_event event; } watched[MOST_DESCRIPTORS];

#define REAL(result, name, ...) static result (*real_##name)(__VA_ARGS__)
REAL(int, socket, int, int, int);
REAL(int, setsockopt, int, int, int, const void *, socklen_t);
REAL(int, getsockopt, int, int, int, void *, socklen_t *);
REAL(int, getsockname, int, struct sockaddr *, socklen_t *);
REAL(int, bind, int, const struct sockaddr *, socklen_t);
REAL(int, listen, int, int);
REAL(int, accept, int, struct sockaddr *, socklen_t *);
REAL(int, accept4, int, struct sockaddr *, socklen_t *, int);
REAL(int, connect, int, const struct sockaddr *, socklen_t);
REAL(ssize_t, send, int, const void *, size_t, int);
REAL(ssize_t, recv, int, void *, size_t, int);
REAL(ssize_t, sendto, int, const void *, size_t, int, const struct sockaddr *, socklen_t);
REAL(ssize_t, recvfrom, int, void *, size_t, int, struct sockaddr *, socklen_t *);
REAL(ssize_t, sendmsg, int, const struct msghdr *, int);
REAL(ssize_t, recvmsg, int, struct msghdr *, int);
REAL(int, recvmmsg, int, struct mmsghdr *, unsigned, int, struct timespec *);
REAL(ssize_t, sendfile64, int, int, off64_t *, size_t);
REAL(int, getpeername, int, struct sockaddr *, socklen_t *);
REAL(int, shutdown, int, int);
REAL(int, close, int);
REAL(int, epoll_create1, int);
REAL(int, epoll_ctl, int, int, int, struct epoll_event *);
REAL(int, epoll_wait, int, struct epoll_event *, int, int);
REAL(int, eventfd, unsigned, int);
REAL(int, pthread_create, pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static void die(const char *what) {
    fprintf(stderr, "shim: %s\n", what);
    _exit(99);
}

static enum call call_named(const char *name) {
    for (int at = 0; at < CALLS; at++)
        if (strcmp(NAMES[at], name) == 0) return at;
    die("no such call");
    return CALLS;
}

static int fault_named(const char *name) {
    if (strcmp(name, "short") == 0) return SHORT;
    for (size_t at = 0; at < sizeof ERRORS / sizeof *ERRORS; at++)
        if (strcmp(ERRORS[at].name, name) == 0) return ERRORS[at].number;
    die("no such fault");
    return 0;
}

static const char *name_of(int fault) {
    if (fault == 0) return "-";
    for (size_t at = 0; at < sizeof ERRORS / sizeof *ERRORS; at++)
        if (ERRORS[at].number == fault) return ERRORS[at].name;
    return "short";
}

static void read_plan(char *text) {
    for (char *rest = text, *one; (one = strsep(&rest, ",")) != NULL;) {
        char *call = strsep(&one, ":"), *number = strsep(&one, ":");
        if (planned == MOST_FAULTS || number == NULL || one == NULL) die("FAULTS=CALL:NUMBER:FAULT,...");
        plan[planned].call = call_named(call);
        plan[planned].number = strtoul(number, NULL, 10);
        plan[planned++].fault = fault_named(one);
    }
}

#define FIND(name) if ((real_##name = dlsym(RTLD_NEXT, #name)) == NULL) die("libc has no " #name)

__attribute__((constructor)) static void begin(void) {
    FIND(socket); FIND(setsockopt); FIND(getsockopt); FIND(getsockname); FIND(bind); FIND(listen); FIND(accept);
    FIND(accept4); FIND(connect); FIND(send); FIND(recv); FIND(sendto); FIND(recvfrom); FIND(sendmsg);
    FIND(recvmsg); FIND(recvmmsg); FIND(sendfile64); FIND(getpeername); FIND(shutdown); FIND(close); FIND(epoll_create1); FIND(epoll_ctl); FIND(epoll_wait);
    FIND(eventfd); FIND(pthread_create);
    log_path = getenv("FAULTS_LOG");
    char *text = getenv("FAULTS");
    if (text != NULL && *text != '\0') read_plan(strdup(text));
    setenv("LD_PRELOAD", "", 1); /* a program that this one starts is left alone */
}

/* Counts the call, and says which fault is planned for it. */
static int fault_of(enum call call) {
    int before = errno, fault = 0;
    unsigned long number = atomic_fetch_add(&made[call], 1) + 1;
    for (int at = 0; at < planned; at++)
        if (plan[at].call == call && plan[at].number == number) fault = plan[at].fault;
    if (log_path != NULL) {
        char line[64];
        int length = snprintf(line, sizeof line, "%s %lu %s\n", NAMES[call], number, name_of(fault));
        int file = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (file >= 0) {
            if (write(file, line, length) != length) die("cannot write the log");
            real_close(file);
        }
    }
    errno = before;
    return fault;
}

static int failed(int fault) {
    errno = fault;
    return -1;
}

static int is_watched(int fd) {
    return fd >= 0 && fd < MOST_DESCRIPTORS && atomic_load(&watched[fd].epoll) > 0;
}

/* The kernel tells epoll when what a call was refused, or did not take whole,
 * can be had: here it is told at once. */
static void bring_the_edge(int fd) {
    if (!is_watched(fd)) return;
    struct epoll_event event = watched[fd].event;
    real_epoll_ctl(atomic_load(&watched[fd].epoll) - 1, EPOLL_CTL_MOD, fd, &event);
}

static int failed_with_edge(int fd, int fault) {
    if (fault == EAGAIN) bring_the_edge(fd);
    return failed(fault);
}

#define FAIL(call) do { int fault = fault_of(call); if (fault != 0) return failed(fault); } while (0)

int socket(int domain, int type, int protocol) {
    FAIL(SOCKET);
    return real_socket(domain, type, protocol);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t size) {
    FAIL(SETSOCKOPT);
    return real_setsockopt(fd, level, name, value, size);
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *size) {
    FAIL(GETSOCKOPT);
    return real_getsockopt(fd, level, name, value, size);
}

int getsockname(int fd, struct sockaddr *addr, socklen_t *size) {
    FAIL(GETSOCKNAME);
    return real_getsockname(fd, addr, size);
}

int bind(int fd, const struct sockaddr *addr, socklen_t size) {
    FAIL(BIND);
    return real_bind(fd, addr, size);
}

int listen(int fd, int backlog) {
    FAIL(LISTEN);
    return real_listen(fd, backlog);
}

int accept(int fd, struct sockaddr *addr, socklen_t *size) {
    int fault = fault_of(ACCEPT);
    return fault != 0 ? failed_with_edge(fd, fault) : real_accept(fd, addr, size);
}

int accept4(int fd, struct sockaddr *addr, socklen_t *size, int flags) {
    int fault = fault_of(ACCEPT);
    return fault != 0 ? failed_with_edge(fd, fault) : real_accept4(fd, addr, size, flags);
}

int connect(int fd, const struct sockaddr *addr, socklen_t size) {
    int fault = fault_of(CONNECT);
    if (fault == EINTR) real_connect(fd, addr, size);
    return fault != 0 ? failed(fault) : real_connect(fd, addr, size);
}

/* A datagram is taken and given whole. */
static int is_stream(int fd) {
    int type = 0;
    socklen_t size = sizeof type;
    return real_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

ssize_t send(int fd, const void *bytes, size_t size, int flags) {
    int fault = fault_of(SEND);
    if (fault > 0) return failed_with_edge(fd, fault);
    if (fault == 0 || size < 2 || !is_stream(fd)) return real_send(fd, bytes, size, flags);
    ssize_t sent = real_send(fd, bytes, 1, flags);
    bring_the_edge(fd);
    return sent;
}

ssize_t recv(int fd, void *buffer, size_t size, int flags) {
    int fault = fault_of(RECV);
    if (fault > 0) return failed_with_edge(fd, fault);
    if (fault == 0 || size < 2 || !is_stream(fd)) return real_recv(fd, buffer, size, flags);
    ssize_t got = real_recv(fd, buffer, 1, flags);
    bring_the_edge(fd);
    return got;
}

ssize_t sendto(int fd, const void *bytes, size_t size, int flags, const struct sockaddr *to, socklen_t to_size) {
    int fault = fault_of(SENDTO);
    return fault != 0 ? failed_with_edge(fd, fault) : real_sendto(fd, bytes, size, flags, to, to_size);
}

ssize_t recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *from, socklen_t *from_size) {
    int fault = fault_of(RECVFROM);
    return fault != 0 ? failed_with_edge(fd, fault) : real_recvfrom(fd, buffer, size, flags, from, from_size);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    int fault = fault_of(SENDMSG);
    return fault != 0 ? failed_with_edge(fd, fault) : real_sendmsg(fd, message, flags);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    int fault = fault_of(RECVMSG);
    return fault != 0 ? failed_with_edge(fd, fault) : real_recvmsg(fd, message, flags);
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout) {
    int fault = fault_of(RECVMMSG);
    return fault != 0 ? failed_with_edge(fd, fault) : real_recvmmsg(fd, messages, count, flags, timeout);
}

ssize_t sendfile64(int fd, int file, off64_t *offset, size_t size) {
    int fault = fault_of(SENDFILE);
    if (fault > 0) return failed_with_edge(fd, fault);
    if (fault == 0 || size < 2) return real_sendfile64(fd, file, offset, size);
    ssize_t sent = real_sendfile64(fd, file, offset, 1);
    bring_the_edge(fd);
    return sent;
}

int getpeername(int fd, struct sockaddr *addr, socklen_t *size) {
    FAIL(GETPEERNAME);
    return real_getpeername(fd, addr, size);
}

/* ENOTCONN is what a socket without a peer gets, and those who wait on it are
 * woken all the same. */
int shutdown(int fd, int how) {
    int fault = fault_of(SHUTDOWN), result = real_shutdown(fd, how);
    return fault != 0 ? failed(fault) : result;
}

int close(int fd) {
    struct stat about;
    if (fd >= 0 && fd < MOST_DESCRIPTORS) atomic_store(&watched[fd].epoll, 0);
    if (fstat(fd, &about) != 0 || !S_ISSOCK(about.st_mode)) return real_close(fd);
    int fault = fault_of(CLOSE), result = real_close(fd);
    return fault != 0 ? failed(fault) : result;
}

int epoll_create1(int flags) {
    FAIL(EPOLL_CREATE);
    return real_epoll_create1(flags);
}

int epoll_ctl(int epoll, int what, int fd, struct epoll_event *event) {
    FAIL(EPOLL_CTL);
    int result = real_epoll_ctl(epoll, what, fd, event);
    if (result == 0 && fd >= 0 && fd < MOST_DESCRIPTORS) {
        if (what != EPOLL_CTL_DEL) watched[fd].event = *event;
        atomic_store(&watched[fd].epoll, what == EPOLL_CTL_DEL ? 0 : epoll + 1);
    }
    return result;
}

int epoll_wait(int epoll, struct epoll_event *events, int room, int timeout) {
    FAIL(EPOLL_WAIT);
    return real_epoll_wait(epoll, events, room, timeout);
}

int eventfd(unsigned value, int flags) {
    FAIL(EVENTFD);
    return real_eventfd(value, flags);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *with) {
    int fault = fault_of(SPAWN);
    return fault != 0 ? fault : real_pthread_create(thread, how, run, with);
}
