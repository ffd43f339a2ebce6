#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CLIENTS 12

static struct pollfd fds[MAX_CLIENTS + 1];
static int used = 1;

static void newcomer(int fd)
{
    if (used > MAX_CLIENTS) {
        close(fd);
        return;
    }
    fds[used].fd = fd;
    fds[used++].events = POLLIN;
}

static int answer(int fd)
{
    char buf[2048];
    ssize_t n = recv(fd, buf, sizeof buf, 0);

    return n > 0 && send(fd, buf, n, 0) == n;
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    int on = 1;

    signal(SIGPIPE, SIG_IGN);
    a.sin_port = htons(atoi(argv[1]));
    fds[0].fd = socket(AF_INET, SOCK_STREAM, 0);
    fds[0].events = POLLIN;
    setsockopt(fds[0].fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fds[0].fd, (struct sockaddr *)&a, sizeof a) || listen(fds[0].fd, 40)) {
        perror("poller");
        return 1;
    }
    while (poll(fds, used, -1) > 0) {
        for (int i = used - 1; i > 0; i--)
            if (fds[i].revents && !answer(fds[i].fd)) {
                close(fds[i].fd);
                fds[i] = fds[--used];
            }
        if (fds[0].revents)
            newcomer(accept(fds[0].fd, NULL, NULL));
    }
    return 0;
}
