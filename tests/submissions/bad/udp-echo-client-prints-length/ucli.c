#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
    char line[2000], back[2000];
    struct sockaddr_in to = { .sin_family = AF_INET };
    int s = socket(AF_INET, SOCK_DGRAM, 0);

    if (argc != 3)
        return 2;
    to.sin_port = htons(atoi(argv[2]));
    inet_aton(argv[1], &to.sin_addr);
    while (printf("send: "), fflush(stdout), fgets(line, sizeof line, stdin)) {
        struct timeval wait = { 2, 0 };
        fd_set rd;

        line[strcspn(line, "\n")] = '\0';
        sendto(s, line, strlen(line), 0, (struct sockaddr *)&to, sizeof to);
        FD_ZERO(&rd);
        FD_SET(s, &rd);
        if (select(s + 1, &rd, NULL, NULL, &wait) == 0) {
            puts("lost: nothing came back in 2 seconds");
            continue;
        }
        ssize_t n = recvfrom(s, back, sizeof back - 1, 0, NULL, NULL);
        if (n < 0) {
            perror("recvfrom");
            continue;
        }
        printf("echo: %zd bytes, all right\n", n);
    }
    return 0;
}
