import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;

/**
 * udp-echo client: sends each line as a datagram, and waits for its echo.
 *
 * <pre>javac Client.java and java Client HOST PORT</pre>
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
public class Client {
    /** Stands where your code is missing. What it returns here, yours must give. */
    static <T> T gap(int number, String what, Object... uses) {
        System.err.println("gap " + number + " is open: " + what);
        System.exit(1);
        return null;
    }

    /** How long an echo may take. Without a limit, one lost datagram stops you for ever. */
    static final int TIMEOUT_MS = 1000;

    public static void main(String[] args) throws Exception {
        if (args.length != 2) {
            System.err.println("usage: java Client HOST PORT");
            System.exit(2);
        }
        InetAddress host = InetAddress.getByName(args[0]);
        int port = Integer.parseInt(args[1]);

        DatagramSocket socket = gap(1, "a DatagramSocket whose receive gives up after a while", TIMEOUT_MS);

        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = input.readLine()) != null; ) {
            byte[] message = line.getBytes(StandardCharsets.UTF_8);
            gap(2, "send the message as one datagram", socket, message, host, port);
            DatagramPacket echo = new DatagramPacket(new byte[65535], 65535);
            try {
                socket.receive(echo);
                gap(3, "print the bytes that came: getLength() of them", echo);
            } catch (SocketTimeoutException lost) {
                gap(4, "say that the echo was lost, or send the message again", message);
            }
        }
    }
}
