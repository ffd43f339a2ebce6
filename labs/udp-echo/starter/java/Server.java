import java.net.DatagramPacket;
import java.net.DatagramSocket;

/**
 * udp-echo server: sends each datagram back to its sender.
 *
 * <pre>javac Server.java and java Server PORT</pre>
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
public class Server {
    /** Stands where your code is missing. What it returns here, yours must give. */
    static <T> T gap(int number, String what, Object... uses) {
        System.err.println("gap " + number + " is open: " + what);
        System.exit(1);
        return null;
    }

    /** No datagram of UDP is larger: a smaller buffer would cut. */
    static final int MAX_DATAGRAM = 65535;

    public static void main(String[] args) throws Exception {
        if (args.length != 1) {
            System.err.println("usage: java Server PORT");
            System.exit(2);
        }
        int port = Integer.parseInt(args[0]);

        DatagramSocket socket = gap(1, "a DatagramSocket on the port", port);
        System.out.println("waiting on port " + port);

        while (true) {
            DatagramPacket message = new DatagramPacket(new byte[MAX_DATAGRAM], MAX_DATAGRAM);
            gap(2, "the next datagram into this packet (receive)", socket, message);
            gap(3, "send its bytes back to its sender, from this same socket", socket, message);
        }
    }
}
