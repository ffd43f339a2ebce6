#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void *client(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[4096];

    for (;;) {
        ssize_t n = recv(fd, buf, sizeof buf, 0);
        if (n == 0)
            break;
        if (n < 0) {
            perror("recv");
            exit(EXIT_FAILURE);
        }
        if (send(fd, buf, n, 0) != n)
            break;
    }
    close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in a = { 0 };

    signal(SIGPIPE, SIG_IGN);
    a.sin_family = AF_INET;
    a.sin_port = htons(atoi(argv[1]));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (void *)&a, sizeof a) || listen(fd, 20)) {
        perror("server");
        return 1;
    }
    for (;;) {
        pthread_t t;
        int c = accept(fd, NULL, NULL);
        if (c >= 0 && pthread_create(&t, NULL, client, (void *)(intptr_t)c) == 0)
            pthread_detach(t);
    }
}
