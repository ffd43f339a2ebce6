#include <ctype.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

/* 0: this client is finished */
static int serve(int fd)
{
    char msg[2049];
    ssize_t n = recv(fd, msg, sizeof msg - 1, 0);

    if (n <= 0)
        return 0;
    msg[n] = '\0';
    if (strstr(msg, "CLOSE SOCKET"))
        return 0;
    for (ssize_t i = 0; i < n; i++)
        msg[i] = toupper((unsigned char)msg[i]);
    return send(fd, msg, n, 0) == n;
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    int on = 1, max, l = socket(AF_INET, SOCK_STREAM, 0);
    fd_set all, ready;

    signal(SIGPIPE, SIG_IGN);
    a.sin_port = htons(argc > 1 ? atoi(argv[1]) : 5605);
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(l, (struct sockaddr *)&a, sizeof a) || listen(l, 64))
        return 1;
    FD_ZERO(&all);
    FD_SET(l, &all);
    max = l;
    for (;;) {
        ready = all;
        select(max + 1, &ready, NULL, NULL, NULL);
        for (int fd = 0; fd <= max; fd++) {
            if (!FD_ISSET(fd, &ready))
                continue;
            if (fd == l) {
                int c = accept(l, NULL, NULL);
                if (c >= 0 && c < FD_SETSIZE)
                    FD_SET(c, &all);
                if (c > max)
                    max = c;
            } else if (!serve(fd)) {
                FD_CLR(fd, &all);
                close(fd);
            }
        }
    }
}
