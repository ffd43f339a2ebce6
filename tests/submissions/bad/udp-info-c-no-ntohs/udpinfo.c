#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define BUFSIZE 65536

static char buffer[BUFSIZE + 1];

int main(int argc, char *argv[])
{
    int sockfd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in servaddr, cliaddr;
    char ip[64], answer[128];

    memset(&servaddr, 0, sizeof(servaddr));
    servaddr.sin_family = AF_INET;
    servaddr.sin_addr.s_addr = INADDR_ANY;
    servaddr.sin_port = htons((unsigned short)atoi(argc > 1 ? argv[1] : "5002"));
    if (bind(sockfd, (struct sockaddr *)&servaddr, sizeof(servaddr)) != 0) {
        perror("bind failed");
        exit(EXIT_FAILURE);
    }
    for (;;) {
        socklen_t len = sizeof(cliaddr);
        ssize_t n = recvfrom(sockfd, buffer, BUFSIZE, 0, (struct sockaddr *)&cliaddr, &len);
        if (n < 0) {
            perror("recvfrom");
            continue;
        }
        buffer[n] = '\0';
        inet_ntop(AF_INET, &cliaddr.sin_addr, ip, sizeof(ip));
        int port = cliaddr.sin_port;
        printf("Message: %s\nAddress: %s\nPort:    %d\n", buffer, ip, port);
        int m = snprintf(answer, sizeof(answer), "you are %s port %d", ip, port);
        sendto(sockfd, answer, m, 0, (struct sockaddr *)&cliaddr, len);
    }
    return 0;
}
