#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int receiver(int fd, struct sockaddr_in *at)
{
    char buf[2048];
    int on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)at, sizeof *at) < 0) {
        perror("bind");
        return 1;
    }
    for (;;) {
        ssize_t n = recv(fd, buf, sizeof buf - 1, 0);
        if (n < 0)
            continue;
        buf[n] = 0;
        puts(buf);
    }
}

static int sender(int fd, struct sockaddr_in *to)
{
    char line[1024];
    int on = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on) < 0)
        perror("SO_BROADCAST");
    while (printf("all> "), fflush(stdout), fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\r\n")] = 0;
        if (sendto(fd, line, strlen(line), 0, (struct sockaddr *)to, sizeof *to) < 0)
            perror("sendto");
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (argc != 4) {
        fprintf(stderr, "usage: bcast r|s ADDRESS PORT\n");
        return 2;
    }
    a.sin_addr.s_addr = inet_addr(argv[2]);
    a.sin_port = htons(atoi(argv[3]));
    return argv[1][0] == 'r' ? receiver(fd, &a) : sender(fd, &a);
}
