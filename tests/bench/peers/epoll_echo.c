/* The yardstick: an echo server on a bare epoll loop, one thread.
 *
 *     epoll_echo [--edge] [PORT]
 *
 * One recv(2) and one send(2) for each event and nothing else: no timers, no
 * counters, no per-connection state unless a peer reads slower than it writes.
 * Level-triggered unless --edge is given; an edge-triggered socket is not looked
 * at a second time by the next epoll_wait(2), which saves a little per message.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FDS = 1 << 20, EVENTS = 1024, BUFFER_BYTES = 64 * 1024, BACKLOG = 4096 };

/* What a peer has not yet taken. Pages of the table that no slow peer touches cost nothing. */
struct rest {
    char *bytes;
    size_t length;
};

static struct rest rests[MAX_FDS];
static char buffer[BUFFER_BYTES];
static int poller;
static uint32_t trigger; /* 0, or EPOLLET | EPOLLRDHUP */

static void fail(const char *attempt)
{
    perror(attempt);
    exit(1);
}

static int watch(int operation, int fd, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };
    return epoll_ctl(poller, operation, fd, &event);
}

static void drop(int fd)
{
    free(rests[fd].bytes);
    rests[fd] = (struct rest){ 0 };
    close(fd);
}

/* Stop reading until the rest is sent: the peer's window then holds it back. */
static bool keep_rest(int fd, const char *bytes, size_t length)
{
    char *copy = malloc(length);
    if (!copy)
        return false;
    memcpy(copy, bytes, length);
    free(rests[fd].bytes);
    rests[fd] = (struct rest){ copy, length };
    return watch(EPOLL_CTL_MOD, fd, EPOLLOUT) == 0;
}

/* Returns the count that was sent, 0 if the socket takes nothing now, -1 if it is gone. */
static ssize_t send_some(int fd, const char *bytes, size_t length)
{
    ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
    return sent < 0 && errno == EAGAIN ? 0 : sent;
}

static void write_rest(int fd)
{
    struct rest *rest = &rests[fd];
    ssize_t sent = send_some(fd, rest->bytes, rest->length);
    if (sent < 0) {
        drop(fd);
    } else if ((size_t)sent < rest->length) {
        rest->length -= sent;
        memmove(rest->bytes, rest->bytes + sent, rest->length);
    } else {
        free(rest->bytes);
        *rest = (struct rest){ 0 };
        /* EPOLL_CTL_MOD looks at the socket anew, so that no edge is missed. */
        watch(EPOLL_CTL_MOD, fd, EPOLLIN | trigger);
    }
}

static void echo(int fd, uint32_t events)
{
    ssize_t got;
    do {
        got = recv(fd, buffer, sizeof buffer, 0);
        if (got < 0 && errno == EAGAIN)
            return;
        ssize_t sent = got > 0 ? send_some(fd, buffer, got) : -1;
        if (sent < 0 || (sent < got && !keep_rest(fd, buffer + sent, got - sent))) {
            drop(fd);
            return;
        }
        if (sent < got)
            return;
        /* A short read has emptied the socket. Only an edge that told more than that
         * (a full buffer, the end behind the data) obliges us to read on. */
    } while (trigger && (got == sizeof buffer || events & EPOLLRDHUP));
}

static void accept_all(int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        if (fd >= MAX_FDS || watch(EPOLL_CTL_ADD, fd, EPOLLIN | trigger) < 0)
            close(fd);
}

static int listen_on(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        fail("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* accepted sockets inherit it */
    if (bind(fd, (struct sockaddr *)&address, length) < 0)
        fail("bind");
    if (listen(fd, BACKLOG) < 0 || getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        fail("listen");
    printf("listening on tcp 127.0.0.1:%u\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void serve(int listener)
{
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                accept_all(fd);
            else if (rests[fd].bytes)
                write_rest(fd);
            else
                echo(fd, events[i].events);
        }
    }
}

int main(int argc, char **argv)
{
    bool edge = argc > 1 && strcmp(argv[1], "--edge") == 0;
    const char *port = argc > 1 + edge ? argv[1 + edge] : "0";
    trigger = edge ? EPOLLET | EPOLLRDHUP : 0;
    raise_file_limit();
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0)
        fail("epoll_create1");
    int listener = listen_on(atoi(port));
    if (watch(EPOLL_CTL_ADD, listener, EPOLLIN) < 0)
        fail("epoll_ctl");
    serve(listener);
}
