#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
    char line[1024], reply[1025];
    struct sockaddr_in to = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (argc < 3)
        return 2;
    inet_pton(AF_INET, argv[1], &to.sin_addr);
    to.sin_port = htons(atoi(argv[2]));
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == -1) {
        perror("connect");
        return 1;
    }
    printf("> ");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        size_t want = strlen(line), got = 0;
        if (send(fd, line, want, 0) < 0) {
            perror("send");
            break;
        }
        while (got < want) {
            ssize_t n = recv(fd, reply + got, want - got, 0);
            if (n <= 0) {
                printf("server closed\n");
                return 0;
            }
            got += n;
        }
        reply[got] = '\0';
        printf("%s> ", reply);
        fflush(stdout);
    }
    close(fd);
    return 0;
}
