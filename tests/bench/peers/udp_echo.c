/* The yardsticks of UDP: an echo server of one socket and one thread.
 *
 *     udp_echo [--batch] [PORT]
 *
 * Plain, it makes two calls a datagram, recvfrom(2) and sendto(2). With --batch
 * recvmmsg(2) takes as many as are there, 64 at most, and sendmmsg(2) sends
 * them back: two calls a batch. It waits for the first datagram only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 64, DATAGRAM_BYTES = 64 * 1024 };

static char buffers[BATCH][DATAGRAM_BYTES];

static void fail(const char *attempt)
{
    perror(attempt);
    exit(1);
}

static int bind_to(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        fail("socket");
    if (bind(fd, (struct sockaddr *)&address, length) < 0)
        fail("bind");
    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        fail("getsockname");
    printf("listening on udp 127.0.0.1:%u\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void serve_one_by_one(int fd)
{
    struct sockaddr_in peer;
    for (;;) {
        socklen_t length = sizeof peer;
        ssize_t got = recvfrom(fd, buffers[0], DATAGRAM_BYTES, 0, (struct sockaddr *)&peer, &length);
        if (got >= 0)
            sendto(fd, buffers[0], got, 0, (struct sockaddr *)&peer, length);
    }
}

static void serve_in_batches(int fd)
{
    static struct sockaddr_in peers[BATCH];
    static struct iovec pieces[BATCH];
    static struct mmsghdr messages[BATCH];
    for (;;) {
        for (int i = 0; i < BATCH; i++) {
            pieces[i] = (struct iovec){ buffers[i], DATAGRAM_BYTES };
            messages[i].msg_hdr = (struct msghdr){
                .msg_name = &peers[i], .msg_namelen = sizeof peers[i], .msg_iov = &pieces[i], .msg_iovlen = 1
            };
        }
        int got = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < got; i++)
            pieces[i].iov_len = messages[i].msg_len;
        /* It may take fewer, and an error concerns one datagram: the rest goes on. */
        for (int sent = 0; sent < got;) {
            int taken = sendmmsg(fd, messages + sent, got - sent, 0);
            sent += taken > 0 ? taken : 1;
        }
    }
}

int main(int argc, char **argv)
{
    bool batch = argc > 1 && strcmp(argv[1], "--batch") == 0;
    int fd = bind_to(argc > 1 + batch ? atoi(argv[1 + batch]) : 0);
    if (batch)
        serve_in_batches(fd);
    serve_one_by_one(fd);
}
