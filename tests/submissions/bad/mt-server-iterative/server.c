#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void handle_client(int sock)
{
    char msg[1024], reply[1100];
    ssize_t n;

    while ((n = recv(sock, msg, sizeof msg - 1, 0)) > 0) {
        msg[n] = '\0';
        int len = snprintf(reply, sizeof reply, "you said: %s", msg);
        if (send(sock, reply, len, 0) < 0)
            break;
    }
    close(sock);
}

int main(int argc, char *argv[])
{
    int server_fd, client_fd, opt = 1;
    struct sockaddr_in address;

    signal(SIGPIPE, SIG_IGN);
    server_fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(server_fd, SOL_SOCKET, SO_REUSEADDR, &opt, sizeof(opt));
    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = INADDR_ANY;
    address.sin_port = htons(atoi(argv[1]));
    if (bind(server_fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        perror("bind");
        return 1;
    }
    listen(server_fd, 30);
    while ((client_fd = accept(server_fd, NULL, NULL)) >= 0) {
        printf("client connected\n");
        handle_client(client_fd);
        printf("client left\n");
    }
    return 0;
}
