#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE 2048

int main(int argc, char *argv[])
{
    char buffer[SIZE + 1];
    struct sockaddr_in server, client;
    int listenfd, connfd, opt = 1;

    signal(SIGPIPE, SIG_IGN);
    listenfd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &opt, sizeof(opt));
    memset(&server, 0, sizeof(server));
    server.sin_family = AF_INET;
    server.sin_addr.s_addr = htonl(INADDR_ANY);
    server.sin_port = htons(atoi(argv[1]));
    if (bind(listenfd, (struct sockaddr *)&server, sizeof(server)) == -1) {
        perror("bind");
        return 1;
    }
    listen(listenfd, 5);
    while (1) {
        socklen_t size = sizeof(client);
        connfd = accept(listenfd, (struct sockaddr *)&client, &size);
        printf("%s joined\n", inet_ntoa(client.sin_addr));
        memset(buffer, 0, sizeof(buffer));
        while (recv(connfd, buffer, SIZE, 0) > 0) {
            send(connfd, buffer, strlen(buffer), 0);
            memset(buffer, 0, sizeof(buffer));
        }
        close(connfd);
    }
}
