#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void echo(int fd)
{
    char buf[8192];
    ssize_t n;

    while ((n = read(fd, buf, sizeof buf)) > 0)
        for (ssize_t done = 0; done < n;) {
            ssize_t w = write(fd, buf + done, n - done);
            if (w < 0)
                return;
            done += w;
        }
    if (n < 0)
        fprintf(stderr, "[%d] client error\n", getpid());
}

int main(int argc, char *argv[])
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = INADDR_ANY };
    int lfd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    if (argc != 2) {
        fprintf(stderr, "usage: %s <port>\n", argv[0]);
        exit(1);
    }
    signal(SIGCHLD, SIG_IGN);
    setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    addr.sin_port = htons(atoi(argv[1]));
    if (bind(lfd, (struct sockaddr *)&addr, sizeof addr) == -1 || listen(lfd, SOMAXCONN) == -1) {
        perror("server");
        exit(1);
    }
    for (;;) {
        int cfd = accept(lfd, NULL, NULL);
        if (cfd == -1)
            continue;
        if (fork() == 0) {
            close(lfd);
            echo(cfd);
            _exit(0);
        }
        close(cfd);
    }
}
