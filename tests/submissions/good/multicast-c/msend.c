#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = { .sin_family = AF_INET };
    char text[80];

    if (argc != 3)
        return 2;
    to.sin_addr.s_addr = inet_addr(argv[1]);
    to.sin_port = htons(atoi(argv[2]));
    for (int i = 1; i <= 3; i++) {
        snprintf(text, sizeof text, "announcement %d from process %d", i, getpid());
        if (sendto(s, text, strlen(text), 0, (struct sockaddr *)&to, sizeof to) < 0)
            perror("sendto");
        else
            printf("sent: %s\n", text);
        sleep(1);
    }
    return 0;
}
