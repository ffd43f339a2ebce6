#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])) };
    struct sockaddr_in from;
    socklen_t fromlen = sizeof from;
    char msg[1500];

    a.sin_addr.s_addr = htonl(INADDR_ANY);
    if (bind(s, (struct sockaddr *)&a, sizeof a)) {
        perror("bind");
        return 1;
    }
    int n = recvfrom(s, msg, sizeof msg - 1, 0, (struct sockaddr *)&from, &fromlen);
    if (n >= 0) {
        msg[n] = 0;
        printf("\"%s\" from %s:%u\n", msg, inet_ntoa(from.sin_addr), ntohs(from.sin_port));
    }
    close(s);
    return 0;
}
