/* A thread sends messages of SIZE bytes by TCP without delay, another receives, one message at most each time.
 *
 *     one_way SIZE COUNT        recv(2) alone
 *     one_way SIZE COUNT wait   select(2) before each, as iperf3 does
 *
 * Prints bits per second. With `wait` the receiver falls behind, and the sender's small messages travel together;
 * without it each is sent, and wakes the receiver, by itself. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int listener, waits;
static size_t size;

static void *receive(void *unused) {
    (void)unused;
    int from = accept(listener, NULL, NULL);
    char *room = malloc(size);
    fd_set one;
    FD_ZERO(&one);
    do {
        FD_SET(from, &one);
        if (waits) select(from + 1, &one, NULL, NULL, NULL);
    } while (recv(from, room, size, 0) > 0);
    close(from);
    free(room);
    return NULL;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int count, char **words) {
    if (count < 3) return 2;
    size = strtoul(words[1], NULL, 10);
    unsigned long messages = strtoul(words[2], NULL, 10);
    waits = count > 3;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&at, length) || listen(listener, 1)) return 1;
    getsockname(listener, (struct sockaddr *)&at, &length);
    pthread_t receiver;
    pthread_create(&receiver, NULL, receive, NULL);
    int to = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (connect(to, (struct sockaddr *)&at, length)) return 1;
    setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    char *message = calloc(1, size), end;
    double began = now();
    for (unsigned long n = 0; n < messages; n++)
        for (size_t sent = 0; sent < size;) {
            ssize_t took = send(to, message + sent, size - sent, 0);
            if (took < 0) return 1;
            sent += took;
        }
    shutdown(to, SHUT_WR);
    recv(to, &end, 1, 0);
    printf("%.0f\n", messages * 8.0 * size / (now() - began));
    return 0;
}
