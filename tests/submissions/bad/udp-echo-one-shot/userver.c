#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
    char msg[65536];
    struct sockaddr_in self = { 0 }, other;
    socklen_t size = sizeof other;
    int fd = socket(PF_INET, SOCK_DGRAM, 0);

    if (argc < 2 || fd < 0)
        return EXIT_FAILURE;
    self.sin_family = AF_INET;
    self.sin_port = htons(strtol(argv[1], NULL, 10));
    if (bind(fd, (struct sockaddr *)&self, sizeof self) < 0) {
        perror(argv[0]);
        return EXIT_FAILURE;
    }
    ssize_t got = recvfrom(fd, msg, sizeof msg, 0, (struct sockaddr *)&other, &size);
    if (got >= 0) {
        printf("echoing %zd bytes\n", got);
        sendto(fd, msg, got, 0, (struct sockaddr *)&other, size);
    }
    close(fd);
    return EXIT_SUCCESS;
}
