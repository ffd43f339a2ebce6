import java.net.DatagramPacket;
import java.net.InetAddress;
import java.net.MulticastSocket;

/**
 * multicast receiver: joins a group and prints what is sent to it.
 *
 * <pre>javac Receiver.java and java Receiver GROUP PORT</pre>
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
public class Receiver {
    /** Stands where your code is missing. What it returns here, yours must give. */
    static <T> T gap(int number, String what, Object... uses) {
        System.err.println("gap " + number + " is open: " + what);
        System.exit(1);
        return null;
    }

    public static void main(String[] args) throws Exception {
        if (args.length != 2) {
            System.err.println("usage: java Receiver GROUP PORT");
            System.exit(2);
        }
        InetAddress group = InetAddress.getByName(args[0]);
        int port = Integer.parseInt(args[1]);

        MulticastSocket socket = gap(1, "a MulticastSocket on the port (it sets SO_REUSEADDR)", port);
        gap(2, "join the group; an interface of null leaves the choice to the system", socket, group);
        System.out.println("joined " + args[0] + ", port " + port);

        while (true) {
            DatagramPacket message = new DatagramPacket(new byte[65536], 65536);
            gap(3, "the next datagram into this packet (receive)", socket, message);
            gap(4, "print the message and who sent it", message);
        }
    }
}
